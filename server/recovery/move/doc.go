// Package move takes sessions of clients that were cut from one node of a cluster to another.
//
// A client comes to the new node with the id of its session, which names the old one. The new node asks it for the session and
// joins the client's rooms, so that it hears what the old one hears. Then each puts a mark into the channels: the new one's says
// from where on it gives the client its own messages, the old one's from where on it gives it everybody else's. Both nodes see a
// mark at the same place between the messages of a channel, so each message is one node's and no other's, whichever server has
// sent it. The old node sends what the client missed up to the marks, and what the new one has kept since goes behind that.
package move
