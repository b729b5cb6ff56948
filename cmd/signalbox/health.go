package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"signalbox/config"
)

const (
	healthHelp = `signalbox health asks the server on this machine, which has the same settings, and ends with 0 where it answers.

Usage: signalbox health [--ready]

  --ready   ask /readyz instead of /healthz: 0 where the server takes new clients
`
	healthTimeout = 5 * time.Second
)

// health asks the server that runs with the same settings whether it is well: for containers, which have no curl.
func health(ctx context.Context, args []string, env environment) error {
	path := "/healthz"
	switch {
	case len(args) == 1 && args[0] == "--ready":
		path = "/readyz"
	case len(args) == 1 && (args[0] == "-h" || args[0] == "--help"):
		_, err := fmt.Fprint(env.stdout, healthHelp)
		return err
	case len(args) > 0:
		return fmt.Errorf("signalbox health takes --ready or nothing: %w", errUsage)
	}
	cfg, _, err := readSettings(env)
	if err != nil {
		return err
	}
	network, address, err := localAddress(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		// The certificate is for the name that clients know, and nothing is told to who answers.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil && cfg.ProxyProtocol {
				// As a proxy's own check; where this machine is not a trusted proxy the server answers 400, so it lives.
				_, err = io.WriteString(nc, "PROXY UNKNOWN\r\n")
			}
			return nc, err
		},
	}}
	scheme := "http"
	if cfg.TLS() && network == "tcp" {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost"+path, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s: %s", res.Status, text)
	}
	_, err = fmt.Fprintf(env.stdout, "%s\n", text)
	return err
}

// localAddress returns how this machine reaches the server.
func localAddress(cfg config.Config) (network, address string, err error) {
	for _, a := range cfg.Addresses() {
		switch {
		case a.Network == "unix":
			return "unix", a.Host, nil
		case a.Network == "tcp":
			host := a.Host
			if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
				host = "localhost"
			}
			return "tcp", net.JoinHostPort(host, strconv.Itoa(a.Port)), nil
		}
	}
	return "", "", errors.New("LISTEN=systemd: only the service manager knows where the server listens")
}
