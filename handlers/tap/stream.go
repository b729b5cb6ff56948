package tap

import (
	"strconv"
	"time"

	"signalbox/handlers/gate"
	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/auth"
)

// Stream returns the handler of /events: what is published on update, and what comes in on /tap as messages without a name.
// Where tokens are required it asks for one with the scope tap.
func (t *Tap) Stream() app.StreamHandler { return streamDoor{t} }

type streamDoor struct{ tap *Tap }

// Connect implements [app.StreamHandler].
func (d streamDoor) Connect(p app.StreamPeer, v app.Visit) (app.StreamSession, error) {
	t := d.tap
	id, err := t.gate.Scoped(v, gate.ScopeTap)
	if err != nil {
		return nil, err
	}
	now := strconv.AppendInt([]byte(`{"time":`), time.Now().UnixMilli(), 10)
	p.Send(message.AppendRecord(nil, "", "connected", append(now, '}')))
	t.hub.Join(p.Member(), message.Update)
	t.listen(p, v.Header("Last-Event-ID"))
	return &stream{lease: t.gate.WatchStream(p, v.RemoteAddr, id)}, nil
}

// stream is a client of /events.
type stream struct{ lease *auth.Lease }

// Close implements [app.StreamSession].
func (s *stream) Close(string) { gate.Stop(s.lease) }
