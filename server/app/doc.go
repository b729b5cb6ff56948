// Package app is what application code is written against: what every door gives to a handler of a client. A [Handler] serves
// Socket.IO namespaces, a [TextHandler] plain WebSockets, a [StreamHandler] Server-Sent Events; each makes a session for each
// client, which the door calls in the order of what the client sent.
//
// The package knows rooms and messages ([hub]) and no protocol: a handler is tested without any of the doors.
package app
