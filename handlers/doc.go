// Package handlers owns what signalbox does with the events of its clients, one capability per file: the broker and the
// chat on "/".
//
// Handlers are written against package hub, which says what a client is and takes messages to rooms, and against package
// store. They know no protocol, no transport and no library; what they relay they never decode.
//
// At the debug level the broker logs the first 64 characters of what it relays, as the program it follows did. Those may
// hold what users say to each other: the level is for trying out.
package handlers
