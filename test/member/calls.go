package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"
)

// member does what a test asks for, with the library.
type member struct {
	lib sio.Namespace

	mu    sync.Mutex
	heard []any // what other servers have said: [event, ...args]
}

// call is what a test asks for.
type call struct {
	Do      string     `json:"do"`
	Rooms   []sio.Room `json:"rooms"`
	Except  []sio.Room `json:"except"`
	Into    []sio.Room `json:"into"`
	Event   string     `json:"event"`
	Args    []any      `json:"args"`
	Bytes   []byte     `json:"bytes"` // one more argument
	Timeout int        `json:"timeoutMs"`
	Close   bool       `json:"close"`
	Count   int        `json:"count"`
}

// reply is what came of it.
type reply struct {
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

// socketView is what the library tells of a socket, here or elsewhere.
type socketView struct {
	ID      sio.SocketId        `json:"id"`
	Rooms   []sio.Room          `json:"rooms"`
	Data    any                 `json:"data"`
	Headers map[string][]string `json:"headers"`
}

// listen registers what the library calls.
func (m *member) listen() error {
	m.lib.Use(admit)
	if err := m.lib.On("connection", m.connected); err != nil {
		return err
	}
	if err := m.lib.On("told", func(args ...any) { m.note(append([]any{"told"}, args...)) }); err != nil {
		return err
	}
	return m.lib.On("asked", func(args ...any) {
		last := len(args) - 1
		if answer, ok := args[last].(func([]any, error)); ok {
			answer([]any{map[string]any{"answer": args[0], "by": "member"}}, nil)
		}
	})
}

func (m *member) note(entry []any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = append(m.heard, entry)
}

func (m *member) serveCall(w http.ResponseWriter, r *http.Request) {
	var c call
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	value, err := m.carryOut(c)
	answer := reply{Value: value}
	if err != nil {
		answer.Error = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the test has gone
}

func (m *member) carryOut(c call) (any, error) {
	to := m.lib.To(c.Rooms...).Except(c.Except...)
	args := c.Args
	if c.Bytes != nil {
		args = append(args, c.Bytes)
	}
	switch c.Do {
	case "emit":
		return nil, to.Emit(c.Event, args...)
	case "burst":
		return nil, m.burst(c)
	case "volatile":
		return nil, to.Volatile().Emit(c.Event, args...)
	case "ask":
		return await(func(done sio.Ack) error {
			to.Timeout(time.Duration(c.Timeout)*time.Millisecond).EmitWithAck(c.Event, args...)(done)
			return nil
		})
	case "fetch":
		return fetch(to)
	case "join":
		to.SocketsJoin(c.Into...)
	case "leave":
		to.SocketsLeave(c.Into...)
	case "disconnect":
		to.DisconnectSockets(c.Close)
	case "tell":
		return nil, m.lib.ServerSideEmit(c.Event, args...)
	case "askServers":
		return await(m.lib.ServerSideEmitWithAck(c.Event, args...))
	case "servers":
		return m.lib.Adapter().ServerCount(), nil
	case "heard":
		m.mu.Lock()
		defer m.mu.Unlock()
		return append([]any{}, m.heard...), nil
	}
	return nil, nil
}

// burst emits the numbers below Count, one in three to everybody and the others to the rooms.
func (m *member) burst(c call) error {
	for n := range c.Count {
		to := m.lib.To(c.Rooms...)
		if n%3 == 0 {
			to = m.lib.To()
		}
		if err := to.Emit(c.Event, n); err != nil {
			return err
		}
	}
	return nil
}

// await returns what ask calls back with. The library always calls back, at its timeout if not before.
func await(ask func(sio.Ack) error) (any, error) {
	type answer struct {
		args []any
		err  error
	}
	answers := make(chan answer, 1)
	if err := ask(func(args []any, err error) { answers <- answer{args, err} }); err != nil {
		return nil, err
	}
	a := <-answers
	return a.args, a.err
}

func fetch(from *sio.BroadcastOperator) (any, error) {
	type answer struct {
		views []socketView
		err   error
	}
	answers := make(chan answer, 1)
	from.FetchSockets()(func(sockets []*sio.RemoteSocket, err error) {
		a := answer{views: []socketView{}, err: err}
		for _, s := range sockets {
			view := socketView{ID: s.Id(), Rooms: s.Rooms().Keys(), Data: s.Data()}
			if s.Handshake() != nil {
				view.Headers = s.Handshake().Headers
			}
			a.views = append(a.views, view)
		}
		answers <- a
	})
	a := <-answers
	return a.views, a.err
}
