// Package quic stands in for QUIC, which signalbox does not serve; see the README beside it.
package quic

// Config is named by a parameter of the Socket.IO library.
type Config struct{}
