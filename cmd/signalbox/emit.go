package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signalbox/config"
	"signalbox/server/rawjson"
)

const emitHelp = `signalbox emit sends an event through the API of a running server, and prints what the server answers.

Usage: signalbox emit [flags] EVENT [ARGUMENT...]
       signalbox emit --channel CHANNEL [flags] TYPE [DATA]

An ARGUMENT and DATA are JSON: 42, '"a text"', '{"text":"hi"}'.

To Socket.IO clients; without --user and --room to everybody in the namespace:
  --namespace NS   the namespace; without it /
  --user ID        a user; may be given more than once
  --room NAME      a room; may be given more than once
  --except NAME    a user, a room or a socket id that does not get it; may be given more than once
  --ack            wait for the clients' answers and print them
  --timeout TIME   how long to wait for them, like 500ms or 5s; without it 5s, at most 1m

To everybody who listens to a channel:
  --channel NAME   update, broadcast, user:<id> or room:<name>

Which server:
  --url URL        where it is; without it http://127.0.0.1 and the port in PORT, else 3000
  --key KEY        its API key. Better leave it out and set API_KEY: who may list processes sees a command line.

API_KEY and PORT are read from the environment or the file .env.

  signalbox emit --user 42 hello '{"text":"hi"}'
  signalbox emit --namespace /chat --room team notice
  signalbox emit --channel user:42 order '{"id":7}'

It ends with 0 when the server took the event, also where nobody got it; with 2 when the command line cannot be understood,
and with 1 for everything else.
`

const (
	// emitPatience is how long a server may take to answer, beside the time it waits for clients.
	emitPatience = 15 * time.Second
	// maxReplyBytes bounds what is read of an answer; the answers of clients are less than 17 MiB.
	maxReplyBytes = 32 << 20
)

// emission is the command line of emit.
type emission struct {
	url, key  string
	channel   string
	namespace string
	users     []string
	rooms     []string
	except    []string
	ack       bool
	timeout   time.Duration
	event     string
	args      []json.RawMessage
}

// emit sends one event and prints the answer of the server, on one line.
func emit(ctx context.Context, args []string, env environment) error {
	e, err := parseEmission(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(env.stdout, emitHelp)
		return err
	}
	if err != nil {
		return fmt.Errorf("emit: %w (signalbox emit --help shows how it is written): %w", err, errUsage)
	}
	source, err := config.ReadSource(env.getenv, settingsFile)
	if err != nil {
		return err
	}
	if e.key == "" {
		e.key = source.Get("API_KEY")
	}
	if e.key == "" {
		return errors.New("emit: API_KEY is not set. Give it the key that the server runs with: API_KEY=... signalbox emit hello")
	}
	if e.url == "" {
		port := source.Get("PORT")
		if port == "" || port == "0" {
			port = "3000"
		}
		e.url = "http://127.0.0.1:" + port
	}
	answer, err := e.send(ctx)
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	_, err = fmt.Fprintf(env.stdout, "%s\n", answer)
	return err
}

// parseEmission reads the command line. The error is flag.ErrHelp where help is asked for.
func parseEmission(args []string) (emission, error) {
	var e emission
	flags := flag.NewFlagSet("emit", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	list := func(name string, to *[]string) {
		flags.Func(name, "", func(s string) error { *to = append(*to, s); return nil })
	}
	flags.StringVar(&e.url, "url", "", "")
	flags.StringVar(&e.key, "key", "", "")
	flags.StringVar(&e.channel, "channel", "", "")
	flags.StringVar(&e.namespace, "namespace", "", "")
	list("user", &e.users)
	list("room", &e.rooms)
	list("except", &e.except)
	flags.BoolVar(&e.ack, "ack", false, "")
	flags.DurationVar(&e.timeout, "timeout", 0, "")
	if err := flags.Parse(args); err != nil {
		return e, err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if flags.NArg() == 0 {
		return e, errors.New("the name of the event is missing")
	}
	e.event = flags.Arg(0)
	for _, text := range flags.Args()[1:] {
		if !json.Valid([]byte(text)) {
			return e, notJSON(text)
		}
		e.args = append(e.args, json.RawMessage(text))
	}
	return e, e.check(given)
}

// notJSON explains an argument, with the likely remedy.
func notJSON(text string) error {
	if strings.HasPrefix(text, "-") {
		return fmt.Errorf("%s comes too late: flags stand before the event", text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return fmt.Errorf("the argument %s is not JSON", text)
	}
	return fmt.Errorf("the argument %s is not JSON; a text is written '%s'", text, quoted)
}

// check refuses what does not go together.
func (e *emission) check(given map[string]bool) error {
	switch {
	case e.channel == "" && given["channel"]:
		return errors.New("--channel needs a name")
	case e.channel != "":
		for _, name := range []string{"namespace", "user", "room", "except", "ack", "timeout"} {
			if given[name] {
				return fmt.Errorf("--%s is for Socket.IO clients; it does not go with --channel", name)
			}
		}
		if len(e.args) > 1 {
			return errors.New("a channel takes one piece of data; put more into an object or a list")
		}
	case given["timeout"] && !e.ack:
		return errors.New("--timeout is how long to wait for answers: it needs --ack")
	case given["timeout"] && (e.timeout < time.Millisecond || e.timeout > time.Minute):
		return errors.New("--timeout must be 1ms to 1m")
	}
	return nil
}

// request returns the path and the body of the call.
func (e *emission) request() (path string, body []byte, err error) {
	if e.channel != "" {
		message := struct {
			Type string          `json:"type"`
			Data json.RawMessage `json:"data,omitempty"`
		}{Type: e.event}
		if len(e.args) > 0 {
			message.Data = e.args[0]
		}
		body, err = rawjson.Marshal(message)
		return "/api/publish/" + url.PathEscape(e.channel), body, err
	}
	body, err = rawjson.Marshal(struct {
		Namespace string            `json:"namespace,omitempty"`
		Users     []string          `json:"users,omitempty"`
		Rooms     []string          `json:"rooms,omitempty"`
		Except    []string          `json:"except,omitempty"`
		Event     string            `json:"event"`
		Args      []json.RawMessage `json:"args,omitempty"`
		Ack       bool              `json:"ack,omitempty"`
		TimeoutMs int64             `json:"timeoutMs,omitempty"`
	}{e.namespace, e.users, e.rooms, e.except, e.event, e.args, e.ack, e.timeout.Milliseconds()})
	return "/api/emit", body, err
}

// send makes the call and returns the server's answer.
func (e *emission) send(ctx context.Context) ([]byte, error) {
	base, err := url.Parse(e.url)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, errors.New("--url must be like http://127.0.0.1:3000")
	}
	path, body, err := e.request()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, emitPatience+max(e.timeout, 5*time.Second))
	defer cancel()
	target := base.Scheme + "://" + base.Host + strings.TrimSuffix(base.Path, "/") + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+e.key)
	req.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	client := http.Client{
		Transport: transport,
		// The API never redirects, so whoever does is not it, and is not to get the key.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer from %s: is the server running there? %w", base.Host, plainError(err))
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxReplyBytes))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	return readReply(res.StatusCode, answer)
}

// plainError is an error of the client without method and URL, which the command line has.
func plainError(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// readReply returns an answer without the space around it, or the fault that it tells.
func readReply(status int, body []byte) ([]byte, error) {
	if status == http.StatusOK && json.Valid(body) {
		return []byte(strings.TrimSpace(string(body))), nil
	}
	var fault struct {
		Error     struct{ Code, Message string }
		RequestID string
	}
	if json.Unmarshal(body, &fault) == nil && fault.Error.Code != "" {
		return nil, fmt.Errorf("the server says %s: %s (request %s)", fault.Error.Code, fault.Error.Message, fault.RequestID)
	}
	return nil, fmt.Errorf("the server answered %d, which is not what signalbox's API answers; is --url right?", status)
}
