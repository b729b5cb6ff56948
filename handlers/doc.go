// Package handlers is what signalbox does with the events of its clients, a package for each capability below this one:
//
//	broker     "/": events from user to user
//	userlist   "/": rooms with a list of who has logged in
//	rooms      /chat, /ws and the streams of rooms: rooms with a history
//	tap        /tap and /events: what is sent to the one comes out of the other
//	ticketed   /demo and /notification: who has a ticket and then a token
//	publish    what backends publish, and the streams of users
//	presence   who is connected, by whichever door, on all nodes
//
// They share gate, which decides by token who may come in, and message, the forms of one message at every door. They are
// written against server/app, server/hub and store: they know no protocol, no transport and no library, and what they relay
// they never decode. cmd/signalbox makes them and puts them behind their doors.
package handlers
