// Package console is the page at /console on which a server is tried out by hand: it connects to every door, shows what
// comes back, and plots how many packets go in and out. The page is embedded in the binary and needs no other server.
//
// The package knows HTTP and who may open the page. What the server counts and how tokens are made comes in as functions,
// and the page itself reaches the doors as any client does.
package console
