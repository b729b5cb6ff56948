package cluster

import (
	"context"
	"encoding/json"
	"slices"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// ask sends a request to all other servers.
func (c *Cluster) ask(s *space, r *format.Request) bool {
	r.UID, r.Namespace = c.uid, s.name
	if c.sharded {
		b, err := format.AppendShardedRequest(nil, r)
		return err == nil && c.publish(true, s.channels.base, b)
	}
	if c.stream != nil {
		return c.stream.ask(s, r)
	}
	b, err := format.AppendClassicRequest(nil, r)
	return err == nil && c.publish(false, s.channels.request, b)
}

// request describes a request about the sockets of a selection.
func (c *Cluster) request(kind format.RequestType, sel hub.Selection) *format.Request {
	r := &format.Request{Type: kind}
	var kinds []byte
	r.Rooms, kinds = c.appendNames(nil, nil, sel.Rooms)
	r.RoomKinds = string(kinds)
	r.Except, kinds = c.appendNames(nil, nil, sel.Except)
	r.ExceptKinds = string(kinds)
	return r
}

// others returns how many other servers a namespace has.
func (c *Cluster) others(ctx context.Context, s *space) (int, error) {
	n, err := c.link.NumSub(ctx, s.sharded, s.channels.request)
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

// FetchSockets returns the sockets of other servers that sel names. The error says that not all of them answered;
// what came is returned beside it.
func (c *Cluster) FetchSockets(ctx context.Context, namespace string, sel hub.Selection) ([]format.Socket, error) {
	var sockets []format.Socket
	err := c.gather(ctx, namespace, c.request(format.RequestFetch, sel), format.ResponseSockets, func(r *format.Response) {
		sockets = append(sockets, r.Sockets...)
	})
	return sockets, err
}

// AllRooms returns the names of the rooms that other servers have, each once.
func (c *Cluster) AllRooms(ctx context.Context, namespace string) ([]string, error) {
	var rooms []string
	r, kind := &format.Request{Type: format.RequestAllRooms}, format.ResponseRooms
	if c.sharded || c.stream != nil { // which have no such request
		r, kind = c.request(format.RequestFetch, hub.Selection{}), format.ResponseSockets
	}
	err := c.gather(ctx, namespace, r, kind, func(r *format.Response) {
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

func (c *Cluster) order(namespace string, kind format.RequestType, sel hub.Selection, names []string,
	closeConnection bool) {
	s := c.space(namespace)
	if s == nil || !c.link.Up() {
		return
	}
	if kind == format.RequestJoin {
		for _, name := range names { // what is sent to the room next is for them
			c.joining.add(hub.NamespaceRoom(namespace, name))
		}
	}
	r := c.request(kind, sel)
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

// ServerSideAsk is ServerSide with answers. The error says that not all servers answered; what came is returned
// beside it.
func (c *Cluster) ServerSideAsk(ctx context.Context, namespace string, args []json.RawMessage,
	attachments [][]byte) ([]json.RawMessage, error) {
	var answers []json.RawMessage
	r := &format.Request{Type: format.RequestServerSide, Packet: format.Packet{Args: args, Attachments: attachments}}
	err := c.gather(ctx, namespace, r, format.ResponseValue, func(r *format.Response) {
		answer := json.RawMessage("null")
		if len(r.Args) > 0 {
			answer = r.Args[0]
		}
		answers = append(answers, answer)
	})
	return answers, err
}
