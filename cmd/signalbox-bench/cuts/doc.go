// Package cuts measures what arrives over connections that break, and when clients are back after a restart of the server.
package cuts
