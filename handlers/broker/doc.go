// Package broker owns the namespace "/": it relays events between users. A socket becomes a socket of a user by join, and what
// names a recipientUserId goes to every socket of that user, byte for byte. What is addressed to nobody is offered to a
// second handler, the user lists.
package broker
