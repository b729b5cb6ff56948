// Package recovery remembers what clients were sent, for those whose connection is cut and who come back: one [Log] for each
// room, and for each client a [Session], which knows what of the logs the client was given, in its order.
//
// The package knows messages that are written down ([wire]), no protocol and no rooms but by their names.
package recovery
