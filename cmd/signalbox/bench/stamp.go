package bench

import (
	"bytes"
	"strconv"
	"time"
)

// clock counts nanoseconds since the generator started; messages carry its readings.
type clock struct{ start time.Time }

// now returns the time since the start in nanoseconds.
func (c clock) now() int64 { return int64(time.Since(c.start)) }

// stamp is what a message of the generator says about itself.
type stamp struct {
	sender int64
	seq    int64 // from 1, per sender
	due    int64 // when it should have been sent, by the clock
	intact bool  // all fields are there and the padding is unchanged
}

// eventName is the event every addressed message is sent as.
const eventName = "bench"

var (
	benchPrefix  = []byte(`["` + eventName + `",`)
	keySender    = []byte(`"s":`)
	keySequence  = []byte(`"q":`)
	keyDue       = []byte(`"t":`)
	keyPadding   = []byte(`"p":"`)
	usersPrefix  = []byte(`["users",`)
	userIDMember = []byte(`"id":`)
)

// appendAddressed appends the packet of a message to every socket of a user of the broker.
func appendAddressed(dst []byte, recipient string, s stamp, padding []byte) []byte {
	return appendAddressedEvent(append(dst, "42"...), recipient, s, padding)
}

// appendAddressedEvent appends the event of such a packet.
func appendAddressedEvent(dst []byte, recipient string, s stamp, padding []byte) []byte {
	dst = append(dst, `["`+eventName+`",{"recipientUserId":"`...)
	dst = append(dst, recipient...)
	dst = append(dst, `",`...)
	return append(appendStamp(dst, s, padding), `}]`...)
}

// appendStamp appends the members of a stamp.
func appendStamp(dst []byte, s stamp, padding []byte) []byte {
	dst = append(dst, `"s":`...)
	dst = strconv.AppendInt(dst, s.sender, 10)
	dst = append(dst, `,"q":`...)
	dst = strconv.AppendInt(dst, s.seq, 10)
	dst = append(dst, `,"t":`...)
	dst = strconv.AppendInt(dst, s.due, 10)
	dst = append(dst, `,"p":"`...)
	dst = append(dst, padding...)
	return append(dst, '"')
}

// appendRoomMessage appends the packet of a message to a room of /chat.
func appendRoomMessage(dst []byte, room string, s stamp, padding []byte) []byte {
	dst = append(dst, `42/chat,["message",{"roomId":"`...)
	dst = append(dst, room...)
	dst = append(dst, `","content":`...)
	return append(appendRoomContent(dst, s, padding), `}]`...)
}

// appendRoomContent appends what such a message says.
func appendRoomContent(dst []byte, s stamp, padding []byte) []byte {
	return append(appendStamp(append(dst, '{'), s, padding), '}')
}

// appendJoinRoom appends the packet that joins a room of /chat, with a callback.
func appendJoinRoom(dst []byte, ack uint64, room string) []byte {
	dst = append(dst, "42/chat,"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, `["join_room","`...)
	dst = append(dst, room...)
	return append(dst, `"]`...)
}

// appendJoin appends the packet that makes the socket one of a user's, with a callback.
func appendJoin(dst []byte, ack uint64, user string) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, `["join",{"senderUserId":"`...)
	dst = append(dst, user...)
	return append(dst, `","recipientUserId":-1}]`...)
}

// appendPing appends the chat's ping with a callback.
func appendPing(dst []byte, ack uint64) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, ack, 10)
	return append(dst, `["ping"]`...)
}

// appendLogin appends the chat's login with a callback.
func appendLogin(dst []byte, ack uint64, name, room string) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, `["login",{"name":"`...)
	dst = append(dst, name...)
	dst = append(dst, `","room":"`...)
	dst = append(dst, room...)
	return append(dst, `"}]`...)
}

// readStamp reads a message of the generator from the JSON array of an event. ok is false for any other event. The
// order of the members does not matter: some servers decode and encode again.
func readStamp(event, padding []byte) (s stamp, ok bool) {
	if !bytes.HasPrefix(event, benchPrefix) {
		return stamp{}, false
	}
	return findStamp(event, padding), true
}

// roomPrefixes are how a message to a room begins for the three kinds of members.
var roomPrefixes = [][]byte{[]byte(`["message",`), []byte(`{"type":"message"`), []byte(`{"id":"`)}

// readRoomStamp reads a message to a room in any of its forms. ok is false for anything else, such as who came and went.
func readRoomStamp(text, padding []byte) (s stamp, ok bool) {
	for _, prefix := range roomPrefixes {
		if bytes.HasPrefix(text, prefix) {
			return findStamp(text, padding), true
		}
	}
	return stamp{}, false
}

// findStamp reads the members of a stamp wherever they stand.
func findStamp(event, padding []byte) (s stamp) {
	var found [3]bool
	s.sender, found[0] = intAfter(event, keySender)
	s.seq, found[1] = intAfter(event, keySequence)
	s.due, found[2] = intAfter(event, keyDue)
	_, rest, padded := bytes.Cut(event, keyPadding)
	s.intact = found == [3]bool{true, true, true} && padded &&
		len(rest) > len(padding) && bytes.Equal(rest[:len(padding)], padding) && rest[len(padding)] == '"'
	return s
}

// intAfter returns the non-negative number right behind the first occurrence of key.
func intAfter(b, key []byte) (int64, bool) {
	_, rest, ok := bytes.Cut(b, key)
	if !ok {
		return 0, false
	}
	var v int64
	n := 0
	for n < len(rest) && n < 18 && rest[n]-'0' <= 9 {
		v = v*10 + int64(rest[n]-'0')
		n++
	}
	return v, n > 0
}
