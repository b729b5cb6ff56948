package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"signalbox/config"
)

// startText tells whoever started the server where it listens, how to connect, what is open and what to set before other
// people can reach it. The first line is stable: programs may read the address from it.
func startText(cfg config.Config, addr net.Addr, version string) string {
	url := localURL(cfg, addr)
	var b strings.Builder
	fmt.Fprintf(&b, "signalbox %s listening on %s%s\n", version, url, reach(addr))
	fmt.Fprintf(&b, `
Connect with socket.io-client 3 or 4 (npm install socket.io-client):
  const socket = require("socket.io-client").io("%s");
  socket.on("hello", (data) => console.log(data));
  socket.emit("join", { senderUserId: 1, recipientUserId: -1 });
  socket.emit("hello", { recipientUserId: 1, text: "to myself" });
In a page: <script src="%s/socket.io/socket.io.min.js"></script>
`, url, url)
	var allowed []string
	open := cfg.Open()
	for _, o := range open {
		if o.Allowed {
			allowed = append(allowed, o.Name)
		}
	}
	open = slices.DeleteFunc(open, func(o config.Opening) bool { return o.Allowed })
	open = append(open, unlimited(cfg)...)
	if len(allowed) > 0 {
		fmt.Fprintf(&b, "\nOPEN, as ALLOW_OPEN says: %s\n", strings.Join(allowed, ", "))
	}
	if len(open) == 0 {
		return b.String()
	}
	heading := "OPEN FOR TRYING OUT. Before other people can reach this server, see to:"
	if cfg.Production() {
		heading = "Without a limit, see to:"
	}
	fmt.Fprintf(&b, "\n%s\n", heading)
	for _, o := range open {
		fmt.Fprintf(&b, "  %-52s %s\n", o.What, o.Setting)
	}
	if !cfg.Production() {
		b.WriteString("SIGNALBOX_ENV=production does not start a server that is open by mistake. ")
	}
	b.WriteString("All settings: signalbox help\n")
	return b.String()
}

// unlimited returns what one address may take without end.
func unlimited(cfg config.Config) []config.Opening {
	var open []config.Opening
	if cfg.MaxConnectionsPerIP == 0 {
		open = append(open, config.Opening{What: "one address may take all connections", Setting: "MAX_CONNECTIONS_PER_IP=100"})
	}
	if cfg.HandshakesPerSecond == 0 {
		open = append(open, config.Opening{What: "one address may connect as often as it likes", Setting: "HANDSHAKES_PER_SECOND=20"})
	}
	return open
}

// localURL is how this machine reaches the server.
func localURL(cfg config.Config, addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "unix:" + addr.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http://"
	if cfg.TLS() {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// reach says who else may reach the address.
func reach(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return " (all interfaces)"
	}
	return ""
}
