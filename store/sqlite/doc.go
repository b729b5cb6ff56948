// Package sqlite keeps the message history of rooms in an SQLite file, and what the application is to be told in another.
//
// Append puts a message into memory and returns. One goroutine writes what waits, every FlushInterval (250 ms unless set
// otherwise) or as soon as a batch is full, in one synced transaction. So a process that is killed, or a machine that
// loses power, loses the messages of the last interval. All older ones are there, without a gap, and the file is sound.
//
// A message is a row, found by its room and its number; numbers grow over all rooms. What a page wants is read from the
// rows and from what still waits. A room that is over its bounds loses its oldest rows in the transaction that adds to
// it; where there is too much in all, the rooms that waited longest for a message go.
//
// While writing fails (disk full, say) messages wait in memory, up to PendingMessages and PendingBytes. Over that the
// oldest of them are given up and counted as lost. The first failure and the recovery are logged, and writing is tried
// again with growing pauses of up to five seconds.
//
// The package may use package store and knows nothing above it. The file belongs to one process at a time.
package sqlite
