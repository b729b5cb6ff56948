package library

import (
	"reflect"
	"slices"
	"sync"

	"github.com/zishang520/engine.io/v2/events"
	sio "github.com/zishang520/socket.io/v2/socket"
)

// listeners is an [events.EventEmitter] of a few words: the library wants one of every connection, decoder, adapter and
// socket, and registers two or three listeners on it.
type listeners struct {
	mu sync.Mutex
	// mu guards the following.
	entries []listener
}

type listener struct {
	event events.EventName
	fn    events.Listener
	once  bool
}

func (l *listeners) add(event events.EventName, once bool, fns []events.Listener) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fn := range fns {
		if fn != nil {
			l.entries = append(l.entries, listener{event, fn, once})
		}
	}
	return nil
}

func (l *listeners) AddListener(e events.EventName, fns ...events.Listener) error {
	return l.add(e, false, fns)
}
func (l *listeners) On(e events.EventName, fns ...events.Listener) error { return l.add(e, false, fns) }
func (l *listeners) Once(e events.EventName, fns ...events.Listener) error {
	return l.add(e, true, fns)
}

// Emit calls the listeners of e in the order they were added. No lock is held meanwhile.
func (l *listeners) Emit(e events.EventName, data ...any) {
	for _, fn := range l.take(e) {
		fn(data...)
	}
}

// take returns the listeners of e and forgets those that want to be called once.
func (l *listeners) take(e events.EventName) []events.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	var fns []events.Listener
	once := false
	for _, entry := range l.entries {
		if entry.event == e {
			fns = append(fns, entry.fn)
			once = once || entry.once
		}
	}
	if once {
		l.entries = slices.DeleteFunc(l.entries, func(entry listener) bool { return entry.event == e && entry.once })
	}
	return fns
}

func (l *listeners) Listeners(e events.EventName) []events.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	var fns []events.Listener
	for _, entry := range l.entries {
		if entry.event == e {
			fns = append(fns, entry.fn)
		}
	}
	return fns
}

func (l *listeners) ListenerCount(e events.EventName) int { return len(l.Listeners(e)) }

func (l *listeners) EventNames() []events.EventName {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []events.EventName
	for _, entry := range l.entries {
		if !slices.Contains(names, entry.event) {
			names = append(names, entry.event)
		}
	}
	return names
}

func (l *listeners) Len() int { return len(l.EventNames()) }

func (l *listeners) RemoveAllListeners(e events.EventName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.entries)
	l.entries = slices.DeleteFunc(l.entries, func(entry listener) bool { return entry.event == e })
	return len(l.entries) < before
}

func (l *listeners) RemoveListener(e events.EventName, fn events.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Functions do not compare; the library's own emitter takes the code pointer too.
	pointer := reflect.ValueOf(fn).Pointer()
	i := slices.IndexFunc(l.entries, func(entry listener) bool {
		return entry.event == e && reflect.ValueOf(entry.fn).Pointer() == pointer
	})
	if i < 0 {
		return false
	}
	l.entries = slices.Delete(l.entries, i, i+1)
	if len(l.entries) == 0 {
		l.entries = nil
	}
	return true
}

func (l *listeners) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// The library's emitters have no limit any more; these two are what is left of it.
func (l *listeners) SetMaxListeners(uint)  {}
func (l *listeners) GetMaxListeners() uint { return 0 }

// socketEvents are the listeners of one Socket. A panic in one of them ends the socket's connection.
type socketEvents struct {
	listeners
	session *session
}

func (e *socketEvents) Emit(name events.EventName, data ...any) {
	defer func() {
		if r := recover(); r != nil {
			e.session.panicked(r)
		}
	}()
	e.listeners.Emit(name, data...)
}

// namespaceEvents are the listeners of a namespace. Those of "connection" are called with a socket: a panic in one of
// them ends the socket's connection.
type namespaceEvents struct {
	listeners
	adapter *adapter
}

func (e *namespaceEvents) Emit(name events.EventName, data ...any) {
	session := sessionOf(data)
	if session == nil || name != "connect" && name != "connection" {
		e.adapter.callBack(func() { e.listeners.Emit(name, data...) })
		return
	}
	defer func() {
		if r := recover(); r != nil {
			session.panicked(r)
		}
		if name == "connection" { // the last
			e.adapter.asked.Delete(sio.SocketId(session.client.ID()))
			session.introduced()
		}
	}()
	e.listeners.Emit(name, data...)
}

// sessionOf returns the session of the socket that an event is about; nil where there is none.
func sessionOf(data []any) *session {
	if len(data) == 1 {
		if sock, ok := data[0].(*sio.Socket); ok {
			if c, ok := sock.Conn().(*clientConn); ok {
				return c.session
			}
		}
	}
	return nil
}
