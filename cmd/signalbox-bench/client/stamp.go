package client

import (
	"bytes"
	"strconv"
	"time"
)

// Clock counts nanoseconds since the generator started; messages carry its readings.
type Clock struct{ start time.Time }

// StartClock starts a clock.
func StartClock() Clock { return Clock{time.Now()} }

// Now returns the time since the start in nanoseconds.
func (c Clock) Now() int64 { return int64(time.Since(c.start)) }

// Stamp is what a message of the generator says about itself.
type Stamp struct {
	Sender int64
	Seq    int64 // from 1, per sender
	Due    int64 // when it should have been sent, by the clock
	Intact bool  // all fields are there and the padding is unchanged
}

// EventName is the event every addressed message is sent as.
const EventName = "bench"

var (
	benchPrefix  = []byte(`["` + EventName + `",`)
	keySender    = []byte(`"s":`)
	keySequence  = []byte(`"q":`)
	keyDue       = []byte(`"t":`)
	keyPadding   = []byte(`"p":"`)
	UsersPrefix  = []byte(`["users",`)
	UserIDMember = []byte(`"id":`)
)

// AppendAddressed appends the packet of a message to every socket of a user of the broker.
func AppendAddressed(dst []byte, recipient string, s Stamp, padding []byte) []byte {
	return AppendAddressedEvent(append(dst, "42"...), recipient, s, padding)
}

// AppendAddressedEvent appends the event of such a packet.
func AppendAddressedEvent(dst []byte, recipient string, s Stamp, padding []byte) []byte {
	dst = append(dst, `["`+EventName+`",{"recipientUserId":"`...)
	dst = append(dst, recipient...)
	dst = append(dst, `",`...)
	return append(AppendStamp(dst, s, padding), `}]`...)
}

// AppendStamp appends the members of a stamp.
func AppendStamp(dst []byte, s Stamp, padding []byte) []byte {
	dst = append(dst, `"s":`...)
	dst = strconv.AppendInt(dst, s.Sender, 10)
	dst = append(dst, `,"q":`...)
	dst = strconv.AppendInt(dst, s.Seq, 10)
	dst = append(dst, `,"t":`...)
	dst = strconv.AppendInt(dst, s.Due, 10)
	dst = append(dst, `,"p":"`...)
	dst = append(dst, padding...)
	return append(dst, '"')
}

// AppendRoomMessage appends the packet of a message to a room of /chat.
func AppendRoomMessage(dst []byte, room string, s Stamp, padding []byte) []byte {
	dst = append(dst, `42/chat,["message",{"roomId":"`...)
	dst = append(dst, room...)
	dst = append(dst, `","content":`...)
	return append(AppendRoomContent(dst, s, padding), `}]`...)
}

// AppendRoomContent appends what such a message says.
func AppendRoomContent(dst []byte, s Stamp, padding []byte) []byte {
	return append(AppendStamp(append(dst, '{'), s, padding), '}')
}

// AppendJoinRoom appends the packet that joins a room of /chat, with a callback.
func AppendJoinRoom(dst []byte, ack uint64, room string) []byte {
	dst = append(dst, "42/chat,"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, `["join_room","`...)
	dst = append(dst, room...)
	return append(dst, `"]`...)
}

// AppendJoin appends the packet that makes the socket one of a user's, with a callback.
func AppendJoin(dst []byte, ack uint64, user string) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, `["join",{"senderUserId":"`...)
	dst = append(dst, user...)
	return append(dst, `","recipientUserId":-1}]`...)
}

// AppendPingIn appends the chat's ping with a callback, in a namespace, "" for "/".
func AppendPingIn(dst []byte, namespace string, ack uint64) []byte {
	dst = append(dst, "42"...)
	if namespace != "" {
		dst = append(append(dst, namespace...), ',')
	}
	dst = strconv.AppendUint(dst, ack, 10)
	return append(dst, `["ping"]`...)
}

// AppendLogin appends the chat's login with a callback.
func AppendLogin(dst []byte, ack uint64, name, room string) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, `["login",{"name":"`...)
	dst = append(dst, name...)
	dst = append(dst, `","room":"`...)
	dst = append(dst, room...)
	return append(dst, `"}]`...)
}

// LastText returns the text at the end of an event without its escapes, "" where there is none: what a client takes for its
// offset.
func LastText(event []byte) string {
	body, ok := bytes.CutSuffix(event, []byte(`"]`))
	if !ok {
		return ""
	}
	return string(body[bytes.LastIndexByte(body, '"')+1:])
}

// ReadStamp reads a message of the generator from the JSON array of an event. ok is false for any other event. The
// order of the members does not matter: some servers decode and encode again.
func ReadStamp(event, padding []byte) (s Stamp, ok bool) {
	if !bytes.HasPrefix(event, benchPrefix) {
		return Stamp{}, false
	}
	return FindStamp(event, padding), true
}

// roomPrefixes are how a message to a room begins for the three kinds of members.
var roomPrefixes = [][]byte{[]byte(`["message",`), []byte(`{"type":"message"`), []byte(`{"id":"`)}

// ReadRoomStamp reads a message to a room in any of its forms. ok is false for anything else, such as who came and went.
func ReadRoomStamp(text, padding []byte) (s Stamp, ok bool) {
	for _, prefix := range roomPrefixes {
		if bytes.HasPrefix(text, prefix) {
			return FindStamp(text, padding), true
		}
	}
	return Stamp{}, false
}

// FindStamp reads the members of a stamp wherever they stand.
func FindStamp(event, padding []byte) (s Stamp) {
	var found [3]bool
	s.Sender, found[0] = intAfter(event, keySender)
	s.Seq, found[1] = intAfter(event, keySequence)
	s.Due, found[2] = intAfter(event, keyDue)
	_, rest, padded := bytes.Cut(event, keyPadding)
	s.Intact = found == [3]bool{true, true, true} && padded &&
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
