package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// Local is this node as other servers see it: what they ask of its clients. Its methods that end in Here touch nobody on
// other nodes. [Cluster.Start] is given it.
type Local interface {
	// EmitHere queues msg for the members that sel names, each once, and returns for how many. Rooms may be of any kind,
	// sockets among them; without rooms it is everybody in the namespace of msg. It must not block.
	EmitHere(sel hub.Selection, msg *hub.Message) int
	// AskHere is EmitHere for an event that every client is asked to answer. It calls asked once, before any answer, with
	// the number of clients asked, 0 too; then answer for each that does, one at a time; and returns when all have answered
	// or left, or ctx is over.
	AskHere(ctx context.Context, sel hub.Selection, msg *hub.Message, asked func(clients int),
		answer func(sid string, args []json.RawMessage, attachments [][]byte))
	// SocketsHere returns the sockets that sel names; without rooms all of the namespace.
	SocketsHere(namespace string, sel hub.Selection) []format.Socket
	// RoomsHere returns the names of the rooms of a namespace, as Node has them: socket ids are among them.
	RoomsHere(namespace string) []string
	// JoinHere, LeaveHere and DisconnectHere do to the selected sockets what the library's operators of these names do.
	JoinHere(namespace string, sel hub.Selection, rooms []string)
	LeaveHere(namespace string, sel hub.Selection, rooms []string)
	DisconnectHere(namespace string, sel hub.Selection, closeConnection bool)
	// ServerSideHere calls the listeners of the namespace itself. ack, which is nil where no answer is wanted, is called
	// once at most, with JSON and the attachments that placeholders in it refer to.
	ServerSideHere(namespace string, args []json.RawMessage, attachments [][]byte,
		ack func(value json.RawMessage, attachments [][]byte))
}

const (
	// requestTimeout is how long servers have to answer; Node's default.
	requestTimeout = 5 * time.Second
	// maxAskTimeout bounds how long another server may have clients asked.
	maxAskTimeout = 2 * time.Minute
	// foreignOnly is the letter of a room in a request that signalbox nodes leave to servers of other kinds.
	foreignOnly = "-"
)

// newRequestID returns an id that no other request has, in the form of the mode.
func (c *Cluster) newRequestID() string {
	if c.sharded {
		return randomHex(8)
	}
	return randomName()
}

// randomName returns 6 characters as Node's classic adapter makes them.
func randomName() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])[:6]
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// takeRequest handles a request on a classic channel.
func (c *Cluster) takeRequest(s *space, payload []byte) error {
	r, err := format.ParseClassicRequest(payload)
	if err != nil {
		return err
	}
	return c.carryOut(s, r)
}

// carryOut does what another server asks. What may take long is done elsewhere.
func (c *Cluster) carryOut(s *space, r *format.Request) error {
	if r.UID == c.uid || strings.Contains(r.RoomKinds, foreignOnly) {
		return nil
	}
	c.stats.requests.Add(1)
	sel, ok := c.selection(s, r.Rooms, r.Except, &format.Ext{RoomKinds: r.RoomKinds, ExceptKinds: r.ExceptKinds})
	if !ok {
		return errKinds
	}
	if r.SID != "" {
		sel = single(hub.SocketRoom(s.name, r.SID))
	}
	switch r.Type {
	case format.RequestSockets:
		c.inBackground(func() {
			var ids []string
			for _, socket := range c.local.SocketsHere(s.name, sel) {
				ids = append(ids, socket.ID)
			}
			c.reply(s, r, &format.Response{Type: format.ResponseIDs, Rooms: ids})
		})
	case format.RequestAllRooms:
		c.inBackground(func() {
			c.reply(s, r, &format.Response{Type: format.ResponseRooms, Rooms: c.local.RoomsHere(s.name)})
		})
	case format.RequestFetch:
		c.inBackground(func() {
			c.reply(s, r, &format.Response{Type: format.ResponseSockets, Sockets: c.local.SocketsHere(s.name, sel)})
		})
	case format.RequestJoin:
		names := namesOf(r)
		// What comes behind this message may be for the room: the sockets have to be in it by then, and nobody can be
		// waited for here.
		for _, name := range names {
			c.expect(hub.NamespaceRoom(s.name, name))
		}
		c.local.JoinHere(s.name, sel, names)
		if c.sharded {
			for _, name := range names {
				c.rooms.settle(hub.NamespaceRoom(s.name, name))
			}
		}
		c.done(s, r)
	case format.RequestLeave:
		c.local.LeaveHere(s.name, sel, namesOf(r))
		c.done(s, r)
	case format.RequestDisconnect:
		c.inOrder(func() {
			c.local.DisconnectHere(s.name, sel, r.Close)
			c.done(s, r)
		})
	case format.RequestServerSide:
		c.serverSide(s, r)
	case format.RequestBroadcast:
		return c.askHere(s, r)
	}
	return nil
}

// namesOf returns the rooms to join or leave.
func namesOf(r *format.Request) []string {
	if r.Room != "" {
		return []string{r.Room}
	}
	return r.Names
}

// done answers the form of a request that wants to know that it was carried out.
func (c *Cluster) done(s *space, r *format.Request) {
	if r.ID != "" {
		c.reply(s, r, &format.Response{Type: format.ResponseDone})
	}
}

func (c *Cluster) serverSide(s *space, r *format.Request) {
	c.inOrder(func() {
		var ack func(json.RawMessage, [][]byte)
		if r.ID != "" {
			ack = func(value json.RawMessage, attachments [][]byte) {
				answer := &format.Response{Type: format.ResponseValue}
				if value != nil {
					answer.Args, answer.Attachments = []json.RawMessage{value}, attachments
				}
				c.reply(s, r, answer)
			}
		}
		c.local.ServerSideHere(s.name, r.Args, r.Attachments, ack)
	})
}

// askHere asks clients of this node on behalf of another server. It returns when the event is queued for them: what comes
// behind must not overtake it.
func (c *Cluster) askHere(s *space, r *format.Request) error {
	p := r.Broadcast
	if p == nil {
		return errKinds
	}
	sel, ok := c.selection(s, p.Rooms, p.Except, p.Ext)
	if !ok {
		return errKinds
	}
	msg, err := c.message(s, p)
	if err != nil {
		return err
	}
	timeout := min(p.Flags.Timeout, maxAskTimeout)
	if timeout <= 0 {
		timeout = requestTimeout
	}
	queued := make(chan struct{})
	started := c.inBackground(func() {
		ctx, cancel := context.WithTimeout(c.ctx, timeout)
		defer cancel()
		asked := func(clients int) {
			c.reply(s, r, &format.Response{Type: format.ResponseCount, Count: int64(clients)})
			close(queued)
		}
		answer := func(sid string, args []json.RawMessage, attachments [][]byte) {
			c.reply(s, r, &format.Response{Type: format.ResponseAck, SID: sid,
				Packet: format.Packet{Args: args, Attachments: attachments}})
		}
		c.local.AskHere(ctx, sel, msg, asked, answer)
	})
	if started {
		<-queued // AskHere calls asked without waiting for anything
	}
	return nil
}

// reply sends an answer to the server that asked.
func (c *Cluster) reply(s *space, r *format.Request, a *format.Response) {
	a.ID, a.UID, a.Namespace = r.ID, c.uid, s.name
	if c.sharded {
		b, err := format.AppendShardedResponse(nil, a)
		if err == nil {
			c.link.SPublish(s.channels.base+r.UID+"#", b)
		}
		return
	}
	channel := s.channels.answers
	if r.UID != "" && r.Type != format.RequestServerSide {
		channel += r.UID + "#" // Node listens there in any case, but for these
	}
	if b, err := format.AppendClassicResponse(nil, a); err == nil {
		c.link.Publish(channel, b)
	}
}

// ask sends a request to all other servers.
func (c *Cluster) ask(s *space, r *format.Request) bool {
	r.UID, r.Namespace = c.uid, s.name
	if c.sharded {
		b, err := format.AppendShardedRequest(nil, r)
		return err == nil && c.link.SPublish(s.channels.base, b)
	}
	b, err := format.AppendClassicRequest(nil, r)
	return err == nil && c.link.Publish(s.channels.request, b)
}

// request describes a request about the sockets of a selection.
func request(kind format.RequestType, sel hub.Selection) *format.Request {
	r := &format.Request{Type: kind}
	var kinds []byte
	r.Rooms, kinds = appendNames(nil, nil, sel.Rooms)
	r.RoomKinds = string(kinds)
	r.Except, kinds = appendNames(nil, nil, sel.Except)
	r.Except = append(r.Except, sel.ExceptSockets...)
	r.ExceptKinds = string(kinds) + strings.Repeat("s", len(sel.ExceptSockets))
	return r
}

// others returns how many other servers a namespace has.
func (c *Cluster) others(ctx context.Context, s *space) (int, error) {
	n, err := c.link.NumSub(ctx, s.gate.Sharded, s.channels.request)
	if err != nil {
		return 0, err
	}
	if s.member.Load() {
		n--
	}
	return int(max(0, n)), nil
}

// ServerCount returns how many servers the namespace has, this one among them.
func (c *Cluster) ServerCount(ctx context.Context, namespace string) int64 {
	s := c.space(namespace)
	if s == nil {
		return 1
	}
	n, err := c.others(ctx, s)
	if err != nil {
		return 1
	}
	return int64(n) + 1
}

// FetchSockets returns the sockets of other servers that sel names. The error says that not all of them answered; what came
// is returned beside it.
func (c *Cluster) FetchSockets(ctx context.Context, namespace string, sel hub.Selection) ([]format.Socket, error) {
	var sockets []format.Socket
	err := c.gather(ctx, namespace, request(format.RequestFetch, sel), func(r *format.Response) {
		sockets = append(sockets, r.Sockets...)
	})
	return sockets, err
}

// AllRooms returns the names of the rooms that other servers have, each once.
func (c *Cluster) AllRooms(ctx context.Context, namespace string) ([]string, error) {
	var rooms []string
	r := &format.Request{Type: format.RequestAllRooms}
	if c.sharded { // which has no such request
		r = request(format.RequestFetch, hub.Selection{})
	}
	err := c.gather(ctx, namespace, r, func(r *format.Response) {
		rooms = append(rooms, r.Rooms...)
		for _, socket := range r.Sockets {
			rooms = append(rooms, socket.Rooms...)
		}
	})
	slices.Sort(rooms)
	return slices.Compact(rooms), err
}

// Join puts the selected sockets of other servers into rooms of theirs.
func (c *Cluster) Join(namespace string, sel hub.Selection, rooms []string) {
	c.order(namespace, format.RequestJoin, sel, rooms, false)
}

// Leave takes the selected sockets of other servers out of rooms.
func (c *Cluster) Leave(namespace string, sel hub.Selection, rooms []string) {
	c.order(namespace, format.RequestLeave, sel, rooms, false)
}

// Disconnect disconnects the selected sockets of other servers.
func (c *Cluster) Disconnect(namespace string, sel hub.Selection, closeConnection bool) {
	c.order(namespace, format.RequestDisconnect, sel, nil, closeConnection)
}

func (c *Cluster) order(namespace string, kind format.RequestType, sel hub.Selection, names []string, closeConnection bool) {
	s := c.space(namespace)
	if s == nil || !c.link.Up() {
		return
	}
	if kind == format.RequestJoin {
		for _, name := range names { // what is sent to the room next is for them
			c.assume(slotOf(hub.NamespaceRoom(namespace, name)))
		}
	}
	r := request(kind, sel)
	r.Names, r.Close = names, closeConnection
	c.ask(s, r)
}

// ServerSide calls the listeners of a namespace on other servers.
func (c *Cluster) ServerSide(_ context.Context, namespace string, args []json.RawMessage, attachments [][]byte) error {
	s := c.space(namespace)
	if s == nil || !c.link.Up() {
		return errAway
	}
	r := &format.Request{Type: format.RequestServerSide, Packet: format.Packet{Args: args, Attachments: attachments}}
	if !c.ask(s, r) {
		return errAway
	}
	return nil
}

// ServerSideAsk is ServerSide with answers. The error says that not all servers answered; what came is returned beside it.
func (c *Cluster) ServerSideAsk(ctx context.Context, namespace string, args []json.RawMessage, attachments [][]byte) ([]json.RawMessage, error) {
	var answers []json.RawMessage
	r := &format.Request{Type: format.RequestServerSide, Packet: format.Packet{Args: args, Attachments: attachments}}
	err := c.gather(ctx, namespace, r, func(r *format.Response) {
		answer := json.RawMessage("null")
		if len(r.Args) > 0 {
			answer = r.Args[0]
		}
		answers = append(answers, answer)
	})
	return answers, err
}

// Emit implements the cluster of package socketio: it is [Cluster.SendSelection].
func (c *Cluster) Emit(sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool)) {
	c.SendSelection(sel, msg, counted)
}
