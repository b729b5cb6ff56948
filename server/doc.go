// Package server owns the composition of one signalbox process: its listener, the HTTP routes with their CORS headers and
// limits, the Socket.IO door with the hub behind it, metrics, the browser client, and the order in which all of it stops.
//
// It knows no event: handlers are given to it in [Options].
package server
