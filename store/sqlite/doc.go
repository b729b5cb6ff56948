// Package sqlite keeps the message history of rooms in one SQLite file.
//
// # What a crash costs
//
// Append puts a message into memory and returns; one goroutine writes what has gathered, every FlushInterval (250 ms
// unless set otherwise) or as soon as a batch is full, in one transaction. So when the process is killed, the messages
// of the last interval, and of the write that was under way, are lost, all older ones are there, and the file is sound.
// The file is in WAL mode with synchronous=NORMAL: a transaction survives the end of the process (kill -9 included) at
// once, but survives a power cut or a crash of the system only from the next checkpoint on (about every 4 MiB of
// writes). Even then the file stays sound and what is missing is the newest part. A sync to disk per batch would close
// that gap, at the price of a disk that never rests.
//
// # When the disk fails
//
// While writing fails (disk full, say) messages wait in memory, up to PendingMessages and PendingBytes; over that, the
// rooms that have waited longest give up their oldest waiting messages, which are then in memory only, for as long as
// the cache holds them. They are counted as lost. The first failure and the recovery are logged, and the
// write is tried again with growing pauses of up to five seconds.
//
// # How it is laid out
//
// Messages of a room that are written together make one row, a chunk: inserting a row costs several microseconds
// however short it is, and a chunk of ten messages costs little more than one message. Chunks are numbered by the
// position of their last message within the room, so a page of older messages is one range of an index. The newest
// messages of the rooms in use are kept in memory; a join reads the disk only for a room that has not been used for a
// while. Rooms are pruned an eighth late, so that one deletion serves many messages.
//
// The package may use package store and knows nothing above it. The file belongs to one process at a time.
package sqlite
