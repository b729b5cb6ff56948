package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"signalbox/config"
)

// startText tells whoever started the server where it listens, how to connect, what is open and what to set before other
// people can reach it. The first line is stable: programs may read the address from it.
func startText(cfg config.Config, addr net.Addr, version string) string {
	url := localURL(addr)
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
	open := openDoors(cfg)
	if len(open) == 0 {
		return b.String()
	}
	b.WriteString("\nOPEN FOR TRYING OUT. Before other people can reach this server, see to:\n")
	for _, d := range open {
		fmt.Fprintf(&b, "  %-52s %s\n", d.what, d.setting)
	}
	b.WriteString("All settings: signalbox help\n")
	return b.String()
}

// openDoor is something that strangers may do, and the setting that ends it.
type openDoor struct{ what, setting string }

func openDoors(cfg config.Config) []openDoor {
	var open []openDoor
	add := func(is bool, what, setting string) {
		if is {
			open = append(open, openDoor{what, setting})
		}
	}
	add(cfg.Origins().Any(), "pages of every website may connect", "ALLOWED_ORIGINS=https://app.example.com")
	add(cfg.MaxConnectionsPerIP == 0, "one address may take all connections", "MAX_CONNECTIONS_PER_IP=100")
	add(cfg.HandshakesPerSecond == 0, "one address may connect as often as it likes", "HANDSHAKES_PER_SECOND=20")
	add(cfg.Metrics && cfg.MetricsToken == "", "anybody may read /metrics", "METRICS_TOKEN=<secret>")
	add(!cfg.RequireAuth, "everybody may be any user on /, in any room of /ws", "REQUIRE_AUTH=true JWT_SECRET=<secret>")
	return open
}

// localURL is how this machine reaches the server.
func localURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "http://" + addr.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// reach says who else may reach the address.
func reach(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return " (all interfaces)"
	}
	return ""
}
