// Package sqlite keeps the message history of rooms in an SQLite file.
//
// # What a crash costs
//
// Append puts a message into memory and returns; one goroutine writes what has gathered, every FlushInterval (250 ms
// unless set otherwise) or as soon as a batch is full. So a process that is killed (kill -9) loses the messages of the
// last interval; where a merge (see below) was under way, which takes some 100 ms, also those that came during it. All
// older ones are there, without a gap, and the file is sound.
//
// A power cut or a crash of the system itself may also take what the system had not put on disk yet, at most what was
// written since the last merge: 30 s at most. The file stays sound, and what is missing is the newest part.
//
// # How it is laid out
//
// Messages go to two places. First to the tail, a file that is only appended to: one system call for all messages of an
// interval, whatever their rooms, and no sync. Every 30 s, or when there is enough of them, they are merged into the
// database, where the messages of a room are rows of up to 128, called chunks, and synced. An inserted row costs 10 to
// 15 us, pruning included, however short it is; this way a row is written for many messages and not for one. A room
// that writes more than it may keep between two merges never has the rest in the database at all.
//
// Chunks are numbered by the position of their last message within the room, so a page of older messages is one range
// of an index. Rooms are pruned an eighth late, so that one deletion serves many messages; readers do not see it.
//
// What is not merged yet, and the newest messages of the rooms in use, are in memory. A join reads the disk only for a
// room that has not been used for a while.
//
// # When the disk fails
//
// While writing fails (disk full, say) messages wait in memory, up to PendingMessages and PendingBytes. Over that, the
// rooms that have waited longest for a new message give up their oldest waiting ones: those are then in memory only, for
// as long as the cache holds them, and counted as lost. The first failure and the recovery are logged, and writing is
// tried again with growing pauses of up to five seconds.
//
// The package may use package store and knows nothing above it. The files belong to one process at a time.
package sqlite
