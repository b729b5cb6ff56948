// Package message owns the forms that one message has at every door: an event of Socket.IO, a text on plain WebSockets, a
// record of a stream. What it is given as JSON it takes over byte for byte.
package message
