// Package bare is the machine's own limit as a server: one epoll loop that knows as much of the protocol as the load
// needs.
package bare
