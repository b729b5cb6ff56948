package library

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/zishang520/socket.io-go-parser/v2/parser"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// This file is what the library's Adapter asks of clients and of other servers.

// BroadcastWithAck sends an event whose answers come back through ack, one call for each client. count is called once
// for every server that there is, by the time all have told their numbers: the library waits for as many calls.
func (a *adapter) BroadcastWithAck(packet *parser.Packet, opts *sio.BroadcastOptions, count func(uint64), ack sio.Ack) {
	m := a.eventOf(packet, opts)
	if m == nil {
		count(0)
		return
	}
	servers := a.ServerCount()
	single := opts != nil && opts.Flags != nil && opts.Flags.ExpectSingleResponse
	if !single {
		all := ack // the reference counts and keeps one value for each client
		ack = func(args []any, _ error) { all([]any{firstOf(args)}, nil) }
	} else {
		one := ack // the library takes the first value for all arguments of the client
		ack = func(args []any, _ error) { one([]any{args}, nil) }
	}
	id := a.nsp.Ids()
	packet.Id = &id
	clients := uint64(0)
	a.broadcast(packet, m, opts, strconv.FormatUint(id, 10), func(sock *sio.Socket) {
		clients++
		sock.Acks().Store(id, ack)
	})
	tell := func(clients uint64, servers int64) {
		if single && clients == 0 {
			return // the library cannot take that nobody answers one question; it waits, and then says that time is over
		}
		count(clients)
		for range servers - 1 {
			count(0)
		}
	}
	sel, ok := a.reach(opts)
	if !ok || servers == 1 || single && clients > 0 {
		tell(clients, servers)
		return
	}
	if !single {
		count(clients)
	}
	a.askOthers(sel, m, opts, ack, func(there uint64) {
		if single {
			tell(there, servers)
		} else {
			tell(there, servers-1)
		}
	})
}

// askOthers asks clients of other servers, and calls told with their number when all of them have answered or time is
// over, unless a server has not told its own.
func (a *adapter) askOthers(
	sel hub.Selection, m *hub.Message, opts *sio.BroadcastOptions, ack sio.Ack, told func(clients uint64),
) {
	timeout := socketio.ClusterPatience
	if opts != nil && opts.Flags != nil && opts.Flags.Timeout != nil && *opts.Flags.Timeout > 0 {
		timeout = *opts.Flags.Timeout
	}
	m = cloneMessage(m) // the program goes on with what it gave
	a.lib.tasks.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		answer := func(_ string, args []json.RawMessage, attachments [][]byte) {
			if values, err := decodeArgs(args, attachments); err == nil {
				a.callBack(func() { ack(values, nil) })
			}
		}
		asked, complete := a.cluster().AskClients(ctx, sel, m, timeout, answer)
		if complete {
			a.callBack(func() { told(uint64(asked)) })
		}
	})
}

func firstOf(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// cloneMessage returns a copy of what the library sends that shares nothing with it.
func cloneMessage(m *hub.Message) *hub.Message {
	c := &hub.Message{Namespace: m.Namespace, Event: m.Event, RawEvent: bytes.Clone(m.RawEvent), Volatile: m.Volatile}
	for _, a := range m.Args {
		c.Args = append(c.Args, bytes.Clone(a))
	}
	for _, a := range m.Attachments {
		c.Attachments = append(c.Attachments, bytes.Clone(a))
	}
	return c
}

// ServerSideEmit tells the other servers an event, and calls back with what each of them answered where the last
// argument is an ack: on another goroutine, within five seconds, with an error where some have not.
func (a *adapter) ServerSideEmit(packet []any) error {
	if !a.clustered() {
		return socketio.ErrAlone
	}
	var ack sio.Ack
	if len(packet) > 1 {
		var ok bool
		if ack, ok = packet[len(packet)-1].(sio.Ack); ok {
			packet = packet[:len(packet)-1]
		}
	}
	args, attachments, err := socketio.MarshalArgs(plainAll(packet))
	if err != nil {
		return fmt.Errorf("server-side emit: %w", err)
	}
	if ack == nil {
		ctx, cancel := context.WithTimeout(a.lib.tasks.ctx, socketio.ClusterPatience)
		defer cancel()
		return a.cluster().ServerSide(ctx, a.name, args, attachments)
	}
	for i := range args {
		args[i] = bytes.Clone(args[i])
	}
	for i := range attachments {
		attachments[i] = bytes.Clone(attachments[i])
	}
	started := a.lib.tasks.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, socketio.ClusterPatience)
		defer cancel()
		answers, err := a.cluster().ServerSideAsk(ctx, a.name, args, attachments)
		values, failed := decodeArgs(answers, nil)
		a.callBack(func() { ack(values, errors.Join(err, failed)) })
	})
	if !started {
		return errEnded
	}
	return nil
}

// answerServer writes down what a listener called back with.
func (a *adapter) answerServer(answer []any, ack func(json.RawMessage, [][]byte)) {
	raw, attachments, err := socketio.MarshalArgs(plainAll([]any{firstOf(answer)}))
	if err != nil {
		a.lib.log.Error("an answer to a server cannot be written", "namespace", a.name, "error", err)
		return
	}
	ack(raw[0], attachments)
}
