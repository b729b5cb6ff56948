// Package rooms owns the rooms that the namespace /chat, the plain WebSocket /ws and the streams of rooms share, with the
// history that their messages leave.
package rooms

import (
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"signalbox/handlers/gate"
	"signalbox/handlers/message"
	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/store"
)

const (
	// historyLength is how many messages a client gets when it joins a room.
	historyLength = 50
	// maxPage is the most messages that room_history_before gives at once.
	maxPage = 200
	// maxPageBytes bounds the messages that a client gets at once: a quarter of what may wait for it by default, so that
	// who joins a room full of long messages is not taken for one who does not read.
	maxPageBytes = 1 << 20
	// maxRoomBytes bounds the JSON of a room's name: names are kept as long as somebody is in the room.
	maxRoomBytes = 512
	// maxUserBytes bounds the JSON of an id that a client of /ws gives itself, for the same reason.
	maxUserBytes = 512
	// historyTimeout bounds reading the history for one client.
	historyTimeout = 2 * time.Second
)

// complaint is what a client is told about an event that was refused. Existing clients compare some of these texts.
type complaint string

func (c complaint) Error() string { return string(c) }

const (
	errAccess       = complaint("Access denied")
	errRoomName     = complaint("Invalid room")
	errNotMember    = complaint("Not in this room")
	errTooManyRooms = complaint("Too many rooms")
	errMessage      = complaint("Invalid message")
	errBinary       = complaint("Binary content is not supported")
	errEvent        = complaint("Unknown event")
	errCursor       = complaint("Unknown message")
	errHistory      = complaint("History is not available")
	errTokenUser    = complaint("The token says who you are")
	errUserID       = complaint("Invalid userId")
)

// Rooms is the one model of rooms behind the namespace /chat, the plain WebSocket /ws and the streams of rooms: whoever
// is in a room sees what the others do there, in the form of the own door.
type Rooms struct {
	// Static after construction.
	hub      *hub.Hub
	history  store.History
	presence *presence.Presence
	notices  store.LeaveNotices // nil: nobody reads them
	nodes    hub.Nodes
	gate     *gate.Gate
	log      *slog.Logger
	seed     maphash.Seed

	draining atomic.Bool

	shares shares // of senders in the history

	stats Stats

	complaints atomic.Uint64 // the failures of the history that the log knows
	complained atomic.Int64  // when it was told last; 0: never

	// locks make one step of a message and its place in the history, so that all see messages in the order of the
	// history. Nobody waits for anything but a processor under one.
	locks [64]sync.Mutex
}

// Options are what rooms stand on. All but Nodes and Notices are needed.
type Options struct {
	Hub      *hub.Hub
	History  store.History
	Presence *presence.Presence
	Gate     *gate.Gate
	Log      *slog.Logger
	// Limits are those of the history, by which one sender's share of it is bounded; the zero value: it is not.
	Limits store.HistoryLimits
	// Nodes are the other nodes of a cluster; nil: there are none.
	Nodes hub.Nodes
	// Notices keeps what the others are to tell when this node dies; nil: nobody does.
	Notices store.LeaveNotices
}

// New returns rooms without anybody in them.
func New(o Options) *Rooms {
	if o.Nodes == nil {
		o.Nodes = hub.Alone
	}
	r := &Rooms{
		hub: o.Hub, history: o.History, presence: o.Presence, notices: o.Notices, nodes: o.Nodes, gate: o.Gate, log: o.Log,
		seed: maphash.MakeSeed(),
	}
	if o.Limits.Messages > 0 && o.Limits.Bytes > 0 {
		r.shares.bound(o.Limits)
	}
	return r
}

// lock returns the lock of a room, which some other rooms share.
func (r *Rooms) lock(room string) *sync.Mutex {
	return &r.locks[maphash.String(r.seed, room)%uint64(len(r.locks))]
}

// occupant is one client of rooms. It belongs to the goroutine that reads from the client, but for what is static.
type occupant struct {
	// Static after construction.
	rooms  *Rooms
	member *hub.Member
	guest  string // the network that a client without a token comes from

	identity *auth.Identity  // nil without a token
	userID   json.RawMessage // nil: not told yet
	userName json.RawMessage
	typing   map[string]struct{} // rooms it is typing in

	noticed   *noticed  // who it is in its leave notices; nil: it has left none
	rewritten time.Time // when they were last made to say who it is
}

func (o *occupant) prove(id *auth.Identity) {
	o.identity = id
	o.userID, o.userName = rawjson.String(id.UserID()), rawjson.String(id.Name())
}

// sender returns what the client's share of the history is counted by: the user of its token, else its network.
func (o *occupant) sender() string {
	if o.identity != nil {
		return "user " + o.identity.UserID()
	}
	return o.guest
}

// roomName returns the name that an argument gives, if it is one: text that is not empty and not too long.
func roomName(raw json.RawMessage) (string, error) {
	if len(raw) > maxRoomBytes {
		return "", errRoomName
	}
	name, ok := rawjson.Text(raw)
	if !ok || name == "" {
		return "", errRoomName
	}
	return name, nil
}

func (o *occupant) may(room string) bool {
	return hub.MayJoin(room) && (o.identity == nil || o.identity.CanJoin(room))
}

func (o *occupant) isIn(room string) bool {
	return o.rooms.hub.Contains(o.member, roomAddress(room))
}

func roomAddress(room string) hub.Room { return hub.Room{Kind: hub.KindRoom, Name: room} }

// join puts the client into a room and tells the others, unless it is there already.
func (o *occupant) join(room string, raw json.RawMessage) error {
	came, err := o.enter(room)
	if came {
		o.announce(room, raw)
	}
	return err
}

// enter puts the client into a room without telling anybody, and reports whether it was not there before. In a cluster it
// may wait a moment for the other nodes.
func (o *occupant) enter(room string) (came bool, err error) {
	if !o.may(room) {
		return false, errAccess
	}
	address := roomAddress(room)
	if o.rooms.hub.Join(o.member, address) {
		return true, nil
	}
	if !o.rooms.hub.Contains(o.member, address) {
		return false, errTooManyRooms
	}
	return false, nil
}

// announce tells the others in a room that the client has come, unless it only has changed nodes, and leaves a notice for
// the case that this node dies.
func (o *occupant) announce(room string, raw json.RawMessage) {
	o.leaveNotice(room)
	if o.returns(room) {
		return
	}
	r := o.rooms
	l := r.lock(room)
	l.Lock()
	defer l.Unlock()
	r.hub.Send(roomAddress(room), message.Notice("user_joined", raw, o.userID, o.userName), o.member)
}

// leave takes the client out of a room and tells the others.
func (o *occupant) leave(room string, raw json.RawMessage) error {
	if !o.isIn(room) {
		return errNotMember
	}
	o.stopTyping(room)
	r, address := o.rooms, roomAddress(room)
	if !r.hub.Leave(o.member, address) {
		return nil
	}
	o.withdrawNotice(room)
	l := r.lock(room)
	l.Lock()
	defer l.Unlock()
	r.hub.Send(address, message.Notice("user_left", raw, o.userID, o.userName))
	return nil
}

// leaveAll is leave for every room that keep does not want, and returns the names of those that were left.
func (o *occupant) leaveAll(keep func(room string) bool) []string {
	var left []string
	for _, address := range o.member.Rooms() {
		if address.Kind != hub.KindRoom || keep(address.Name) {
			continue
		}
		if o.leave(address.Name, rawjson.String(address.Name)) == nil {
			left = append(left, address.Name)
		}
	}
	return left
}

// gone is leaveAll for a client that has gone. When the server ends, everybody goes at once and nobody is told: n
// clients would cost n times n messages that nobody reads. In a cluster they come back at another node; the leave notices
// of those who do not are carried out there.
func (o *occupant) gone(reason string) {
	o.rooms.presence.GoOffline(o.member)
	switch reason {
	case app.ReasonMoved:
		o.moved()
	case app.ReasonShutdown:
		for _, room := range presence.RoomNames(o.member) {
			o.rooms.hub.Leave(o.member, roomAddress(room))
		}
	default:
		o.leaveAll(func(string) bool { return false })
	}
	o.rooms.presence.Leave(o.member) // last: in a room it would be one who has not said who it is
}

// say sends a message to a room and puts it into the history. The sender is among the receivers unless it is excepted.
func (o *occupant) say(room string, raw, content json.RawMessage, except ...*hub.Member) error {
	if !o.isIn(room) {
		return errNotMember
	}
	r := o.rooms
	now := time.Now()
	m := message.ToRoom{
		ID: uuid.NewString(), Room: raw, UserID: o.userID, UserName: o.userName, Content: content, Time: now,
	}
	chat := m.Chat()
	text := string(chat)
	l := r.lock(room)
	l.Lock()
	defer l.Unlock()
	// The id is a piece of the text and shares its memory.
	if !r.shares.take(o.sender(), len(text), now) {
		r.stats.NotKept.Add(1)
	} else if err := r.history.Append(room, store.Message{ID: text[message.IDStart : message.IDStart+len(m.ID)], JSON: text, Time: now}); err != nil {
		r.historyFailed(err)
	}
	r.stats.Messages.Add(1)
	msg := message.Everywhere("message", chat, m.Text())
	msg.ID = m.ID
	r.hub.Send(roomAddress(room), msg, except...)
	return nil
}

// startTyping tells the others in a room that the client is typing.
func (o *occupant) startTyping(room string) error {
	if !o.isIn(room) {
		return errNotMember
	}
	if o.typing == nil {
		o.typing = make(map[string]struct{})
	}
	o.typing[room] = struct{}{}
	o.rooms.hub.Send(roomAddress(room), &hub.Message{
		Namespace: message.ChatNamespace, Event: "user_typing", Args: []json.RawMessage{message.UserObject(o.userID, o.userName)},
	}, o.member)
	return nil
}

// stopTyping tells the others in a room that the client is not typing any more, if they think so.
func (o *occupant) stopTyping(room string) {
	if _, ok := o.typing[room]; !ok {
		return
	}
	delete(o.typing, room)
	o.rooms.hub.Send(roomAddress(room), &hub.Message{
		Namespace: message.ChatNamespace, Event: "user_stopped_typing", Args: []json.RawMessage{message.UserObject(o.userID, nil)},
	}, o.member)
}

// complaintPause is the time between two lines of the log about the history: a client can cause a failure with each message.
const complaintPause = time.Minute

// historyFailed counts a failure. The log has one in each [complaintPause], and how many there were since the one before.
func (r *Rooms) historyFailed(err error) {
	n, now, last := r.stats.HistoryErrors.Add(1), time.Now().UnixNano(), r.complained.Load()
	if last != 0 && time.Duration(now-last) < complaintPause || !r.complained.CompareAndSwap(last, now) {
		return
	}
	r.log.Warn("history of rooms", "error", err, "failures", n-r.complaints.Swap(n))
}
