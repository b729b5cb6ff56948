package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

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
	if c.sharded || c.stream != nil {
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
	sel, ok := c.selection(s, r.Rooms, r.Except, &format.Ext{RoomKinds: r.RoomKinds, ExceptKinds: r.ExceptKinds})
	if !ok {
		return errKinds
	}
	if r.SID != "" {
		// Whoever asks takes the first answer for that of the server which has the socket.
		if sel = single(hub.SocketRoom(s.name, r.SID)); len(c.local.SocketsHere(s.name, sel)) == 0 {
			return nil
		}
	}
	c.stats.requests.Add(1)
	switch r.Type {
	case format.RequestSockets:
		c.inBackground(quick, func() {
			var ids []string
			for _, socket := range c.local.SocketsHere(s.name, sel) {
				ids = append(ids, socket.ID)
			}
			c.reply(s, r, &format.Response{Type: format.ResponseIDs, Rooms: ids})
		})
	case format.RequestAllRooms:
		c.inBackground(quick, func() {
			c.reply(s, r, &format.Response{Type: format.ResponseRooms, Rooms: c.local.RoomsHere(s.name)})
		})
	case format.RequestFetch:
		c.inBackground(quick, func() {
			c.rooms.awaitHurried()
			c.reply(s, r, &format.Response{Type: format.ResponseSockets, Sockets: c.local.SocketsHere(s.name, sel)})
		})
	case format.RequestJoin:
		names := namesOf(r)
		// What comes behind this message may be for the room: the sockets have to be in it by then, and nobody can be
		// waited for here.
		for _, name := range names {
			room := hub.NamespaceRoom(s.name, name)
			c.joining.add(room) // others join theirs now, and are not subscribed yet
			c.rooms.hurry(room)
			defer c.rooms.hurried(room)
		}
		c.local.JoinHere(s.name, sel, names)
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

// askHere asks clients of this node on behalf of another server. It returns when the event is queued for them: what
// comes behind must not overtake it.
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
	var once sync.Once
	asked := func(clients int) { // whoever asks waits for one number of each server, whatever happens here
		once.Do(func() {
			c.reply(s, r, &format.Response{Type: format.ResponseCount, Count: int64(clients)})
			close(queued)
		})
	}
	started := c.inBackground(patient, func() {
		defer asked(0)
		ctx, cancel := context.WithTimeout(c.ctx, timeout)
		defer cancel()
		answer := func(sid string, args []json.RawMessage, attachments [][]byte) {
			c.reply(s, r, &format.Response{Type: format.ResponseAck, SID: sid,
				Packet: format.Packet{Args: args, Attachments: attachments}})
		}
		c.local.AskHere(ctx, sel, msg, asked, answer)
	})
	if !started {
		asked(0)
	}
	<-queued // AskHere calls asked without waiting for anything
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
	if c.stream != nil {
		if b, err := format.AppendPackedResponse(nil, a); err == nil {
			c.link.Publish(s.channels.base+r.UID+"#", b)
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
