package library

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/zishang520/socket.io-go-parser/v2/parser"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// session keeps one client in one namespace for the library, which has a Client of its own for it. Its Socket connects
// in steps on a goroutine of the library's; who leaves meanwhile leaves when the "connection" listeners have returned,
// so that they can listen to "disconnect".
type session struct {
	// Static after construction.
	lib    *Library
	client socketio.Client

	mu sync.Mutex
	// mu guards the following.
	stay
}

// stay is a session's time with one Socket of the library. A client that was cut and is back has another one.
type stay struct {
	conn      *clientConn
	limit     *time.Timer    // for the program to answer; set by Connect
	heard     chan struct{}  // closed when the "connection" listeners have returned, or are waited for no longer
	seenOff   chan struct{}  // closed when the library has forgotten the socket
	said      map[string]any // by the client in its CONNECT
	data      any            // what the program kept with the Socket before; nil for the first
	returning bool           // there was one before
	away      bool           // it was cut: the client may have another connection by now
	sock      *sio.Socket
	connected bool // the library has connected the socket
	listening bool // the "connection" listeners have returned
	ended     bool // the client has left, or the library has disconnected it
	reason    string
	rooms     []hub.Room // it was in, where the library hears later that it has left
	forgotten bool       // by the library
}

func newSession(l *Library, c socketio.Client) *session {
	s := &session{lib: l, client: c}
	s.stay = s.newStay()
	return s
}

func (s *session) newStay() stay {
	return stay{conn: &clientConn{client: s.client, session: s}, heard: make(chan struct{}), seenOff: make(chan struct{})}
}

// isReturning reports whether the client was cut and is back.
func (s *session) isReturning() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.returning
}

// auth returns what the client said in its CONNECT.
func (s *session) auth() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said
}

func (s *session) socket() *sio.Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sock
}

func (s *session) setSocket(sock *sio.Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sock = sock
}

// Connect implements [socketio.LibrarySession]. A middleware that has not answered within the connect timeout is not waited for.
func (s *session) Connect(payload json.RawMessage) error {
	auth := map[string]any{}
	if payload != nil {
		if err := json.Unmarshal(payload, &auth); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.limit, s.said = time.AfterFunc(s.lib.server.ConnectTimeout(), s.giveUp), auth
	s.mu.Unlock()
	defer s.recover()
	s.lib.find(s.client.Namespace(), auth, func(ok bool) {
		if ok {
			s.start(auth)
		} else {
			s.client.Refuse("Invalid namespace", nil)
		}
	})
	return nil
}

// start has the library connect the client to its namespace: middleware is called.
func (s *session) start(auth any) {
	defer s.recover()
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	sio.NewClient(s.lib.io, conn)
	conn.Emit("data", &parser.Packet{Type: parser.CONNECT, Nsp: s.client.Namespace(), Data: auth})
}

// Away implements [socketio.LibrarySession].
func (s *session) Away(reason string) {
	s.mu.Lock()
	s.away = true
	s.limit.Stop()
	s.mu.Unlock()
	s.Close(reason)
}

// Return implements [socketio.LibrarySession]: the library makes another Socket, with the id, data and rooms of the one before.
func (s *session) Return(payload json.RawMessage) bool {
	s.mu.Lock()
	seenOff := s.seenOff
	s.mu.Unlock()
	select {
	case <-seenOff:
	case <-time.After(listenersWait):
		return false
	}
	auth := map[string]any{}
	if payload != nil && json.Unmarshal(payload, &auth) != nil {
		return false
	}
	data := s.Data()
	s.mu.Lock()
	s.stay = s.newStay()
	s.returning, s.data, s.said = true, data, auth
	s.limit = time.AfterFunc(s.lib.server.ConnectTimeout(), s.giveUp)
	s.mu.Unlock()
	go s.start(map[string]any{"pid": s.client.ID(), "offset": "0"}) // ends with the listeners of "connection"
	return true
}

// giveUp refuses a client that the program has not let in, or forgets one that has left meanwhile.
func (s *session) giveUp() {
	if s.isConnected() {
		return
	}
	if !s.client.Closed() {
		s.client.Refuse("Connect timeout", nil)
	}
	s.forget()
}

// recover is deferred around what a program does before its socket is connected.
func (s *session) recover() {
	if r := recover(); r != nil {
		s.forget()
		s.panicked(r)
	}
}

// accept runs when the library tells the client that it is connected.
func (s *session) accept() {
	s.mu.Lock()
	s.connected = true
	named, conn := s.sock != nil, s.conn
	s.limit.Stop()
	s.mu.Unlock()
	if !named { // middleware was skipped
		if sock, ok := s.lib.namespace(s.client.Namespace()).nsp.Sockets().Load(sio.SocketId(s.client.ID())); ok {
			s.lib.name(sock, conn)
		}
	}
	s.client.Accept()
}

func (s *session) isConnected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected && !s.away
}

// introduced runs when the "connection" listeners have returned.
func (s *session) introduced() {
	s.mu.Lock()
	s.listening = true
	ended, reason := s.ended, s.reason
	s.hearLocked()
	s.mu.Unlock()
	if ended {
		s.disconnected(reason)
	}
}

// Close implements [app.Session].
func (s *session) Close(reason string) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended, s.reason = true, reason
	listening := s.listening
	if !listening {
		s.rooms = s.client.Member().Rooms()
	}
	s.mu.Unlock()
	if listening {
		s.disconnected(reason)
	}
}

// disconnected tells the library that the connection has ended: its listeners hear of it, with the socket's rooms still
// there.
func (s *session) disconnected(reason string) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	conn.Emit("close", reason, "")
}

// forget has the library forget a socket that it has not connected.
func (s *session) forget() {
	if a := s.lib.namespace(s.client.Namespace()); a != nil {
		a.asked.Delete(sio.SocketId(s.client.ID()))
	}
	s.disconnected("")
}

// left runs when the library has disconnected the socket, or refused it: it has forgotten it in a moment.
func (s *session) left() {
	s.mu.Lock()
	refused := !s.connected
	s.rooms = nil
	if !s.forgotten {
		s.forgotten = true
		close(s.seenOff)
	}
	s.mu.Unlock()
	if refused {
		s.disconnected("") // the library's Client ends
	}
	s.client.Conclude()
}

// disconnect runs when the library tells the client that it is disconnected. A lock of the library is held.
func (s *session) disconnect() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.client.Leave()
}

// listenersWait is how long an event waits for a "connection" listener that does not return. It may itself wait for
// what the client sends.
const listenersWait = time.Second

// await waits for the "connection" listeners: the library sends CONNECT before the program hears of the socket.
func (s *session) await() {
	s.mu.Lock()
	heard := s.heard
	s.mu.Unlock()
	select {
	case <-heard:
		return
	default:
	}
	timer := time.NewTimer(listenersWait)
	defer timer.Stop()
	select {
	case <-heard:
	case <-timer.C:
		s.mu.Lock()
		s.hearLocked()
		s.mu.Unlock()
	}
}

// hearLocked ends the wait for the "connection" listeners.
func (s *session) hearLocked() {
	select {
	case <-s.heard:
	default:
		close(s.heard)
	}
}

// Event implements [app.Session]: the event goes to the listeners that the program registered on the socket, on the
// goroutine that reads.
func (s *session) Event(e *app.Event) {
	s.await()
	sock := s.socket()
	args, err := decodeArgs(e.Args, e.Attachments)
	if err != nil {
		s.client.Fail(err) // a number that Go cannot hold, for one
		return
	}
	all := append([]any{e.Name}, args...)
	if e.Ack.Wanted() {
		answer := e.Ack
		var once sync.Once
		all = append(all, func(args []any, _ error) { once.Do(func() { answer.Send(plainAll(args)...) }) })
	}
	for _, listener := range sock.ListenersAny() {
		listener(all...)
	}
	s.run(s.lib.private.middleware(sock), all)
}

// run calls the middleware that the program gave the socket, one after the other, and then the listeners of the event.
func (s *session) run(middleware []sio.SocketMiddleware, event []any) {
	sock := s.socket()
	if len(middleware) == 0 {
		if name, ok := event[0].(string); ok && sock.Connected() {
			sock.EmitUntyped(name, event[1:]...)
		}
		return
	}
	middleware[0](event, func(err error) {
		if err != nil {
			sock.EmitReserved("error", err)
			return
		}
		s.run(middleware[1:], event)
	})
}

// Ack implements [socketio.LibrarySession]: it calls what the program passed to Emit.
func (s *session) Ack(id uint64, args []json.RawMessage, attachments [][]byte) error {
	sock := s.socket()
	if sock == nil {
		return nil
	}
	callback, ok := sock.Acks().LoadAndDelete(id)
	if !ok {
		return nil
	}
	values, err := decodeArgs(args, attachments)
	if err != nil {
		return err
	}
	callback(values, nil)
	return nil
}

// Fault implements [socketio.LibrarySession].
func (s *session) Fault(err error) {
	if sock := s.socket(); sock != nil {
		sock.EmitReserved("error", err)
	}
}

// Join implements [socketio.LibrarySession].
func (s *session) Join(rooms []string) {
	if sock := s.socket(); sock != nil {
		sock.Join(libraryRooms(rooms)...)
	}
}

// Leave implements [socketio.LibrarySession].
func (s *session) Leave(rooms []string) {
	if sock := s.socket(); sock != nil {
		for _, room := range libraryRooms(rooms) {
			sock.Leave(room)
		}
	}
}

// Data implements [socketio.LibrarySession].
func (s *session) Data() any {
	s.mu.Lock()
	sock, data := s.sock, s.data
	s.mu.Unlock()
	if sock != nil {
		return sock.Data()
	}
	return data
}

// roomsNow returns the rooms that the client is in, for the library that still knows it.
func (s *session) roomsNow() []hub.Room {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgotten {
		return nil
	}
	if now := s.client.Member().Rooms(); len(now) > 0 {
		return now
	}
	return s.rooms
}

// panicked is called with what a listener panicked with: the connection ends.
func (s *session) panicked(r any) {
	s.lib.server.Panicked(s.client.Namespace(), s.client.ID(), r)
	s.client.Connection().Close(conn.ReasonForcedClose)
}

func libraryRooms(names []string) []sio.Room {
	rooms := make([]sio.Room, len(names))
	for i, name := range names {
		rooms[i] = sio.Room(name)
	}
	return rooms
}
