package socketio

import (
	"strconv"
	"sync"
	"time"

	eio "github.com/zishang520/engine.io/v2/types"

	"signalbox/server/app"
	"signalbox/server/engine"
)

// librarySession serves a namespace without a handler of ours: events go to the listeners that the program registered on
// the library's Socket, in order and on the goroutine that reads.
type librarySession struct {
	p     *peer
	once  sync.Once
	heard chan struct{} // closed when the program's "connection" listeners have returned
}

// listenersWait is how long an event waits for a "connection" listener that does not return. It may itself wait for what
// the client sends.
const listenersWait = time.Second

// ready lets events through.
func (s *librarySession) ready() { s.once.Do(func() { close(s.heard) }) }

// await waits for ready: the library sends CONNECT before the program hears of the socket and registers its listeners.
func (s *librarySession) await() {
	select {
	case <-s.heard:
		return
	default:
	}
	timer := time.NewTimer(listenersWait)
	defer timer.Stop()
	select {
	case <-s.heard:
	case <-timer.C:
		s.ready()
	}
}

func (s *librarySession) Event(e *app.Event) {
	s.await()
	sock := s.p.socket()
	args, err := decodeArgs(e.Args, e.Attachments, newBinary)
	if err != nil {
		s.p.conn.server.counters.badPackets.Add(1)
		s.p.conn.session.Close(engine.ReasonParseError) // a number that Go cannot hold, for one
		return
	}
	all := append([]any{e.Name}, args...)
	if e.Ack.Wanted() {
		answer := e.Ack
		var once sync.Once
		all = append(all, func(args []any, _ error) { once.Do(func() { answer.Send(args...) }) })
	}
	for _, listener := range sock.ListenersAny() {
		listener(all...)
	}
	if sock.Connected() {
		sock.EmitUntyped(e.Name, all[1:]...)
	}
}

func (*librarySession) Close(string) {}

// acknowledge calls what the program passed to Emit or BroadcastWithAck, on the goroutine that reads. An id nobody waits
// for is ignored, as in the reference.
func (p *peer) acknowledge(pk *packet, attachments [][]byte) (err error) {
	sock := p.socket()
	id, parseErr := strconv.ParseUint(string(pk.id), 10, 64)
	if sock == nil || parseErr != nil {
		return nil
	}
	if p.ns.questions.take(id, p, pk.args, attachments) {
		return nil
	}
	callback, ok := sock.Acks().LoadAndDelete(id)
	if !ok {
		return nil
	}
	args, err := decodeArgs(pk.args, attachments, newBinary)
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
			err = errPanic
		}
	}()
	callback(args, nil)
	return nil
}

// newBinary is what the library's listeners get for a binary attachment.
func newBinary(data []byte) any { return eio.NewBytesBuffer(data) }
