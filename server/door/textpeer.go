package door

import (
	"bytes"
	"time"
	"unicode/utf8"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// socket is what a peer needs of [conn.WebSocket].
type socket interface {
	outlet
	Reply(m *wire.Message) error
	Pause(d time.Duration) bool
	Inflated() int
	CloseWith(reason conn.Reason, code uint16, text string)
	ClientLeft() bool
}

// textPeer is one client on a plain WebSocket: a [app.TextPeer] for its handler and a [hub.Sink] for the hub.
type textPeer struct {
	client
	ws   socket    // set before the client's state says that it is open; changes, with client.mu, where stay is there
	stay *textStay // static; nil where clients that are cut do not come back

	session app.TextSession // set before the connection is opened
	bucket  conn.Bucket     // owned by the goroutine that reads
}

var (
	_ app.TextPeer = (*textPeer)(nil)
	_ app.Charger  = (*textPeer)(nil)
	_ hub.Sink     = (*textPeer)(nil)
)

func newTextPeer(s *Server) *textPeer {
	p := new(textPeer)
	p.init(s, p)
	return p
}

// connect asks the handler, which weighs against what the client may send.
func (p *textPeer) connect(h app.TextHandler, v app.Visit) error {
	if limit := p.server.maxMessages.Load(); limit > 0 {
		p.bucket.Fill(time.Now(), app.WeightConnect, limit, 2*limit)
	}
	return p.admit(func() (err error) {
		p.session, err = h.Connect(p, v)
		return err
	})
}

// open takes the connection, and sends what was held back for it.
func (p *textPeer) open(ws socket) {
	p.mu.Lock()
	p.ws = ws
	p.mu.Unlock()
	p.client.open(ws)
}

// Deliver implements [hub.Sink].
func (p *textPeer) Deliver(m *hub.Message) bool {
	if p.stay != nil {
		return p.stay.deliver(p, m)
	}
	encoded := m.Encoded(hub.FormText, hub.EncodeText)
	return encoded != nil && p.deliver(encoded, m.Volatile)
}

// Send implements [app.TextPeer].
func (p *textPeer) Send(text []byte) bool {
	if p.stay != nil {
		return p.stay.send(p, text)
	}
	m := wire.Text(text)
	if p.status() != opened {
		return p.hold(m)
	}
	return p.ws.Reply(m) == nil
}

// Close implements [app.TextPeer].
func (p *textPeer) Close(code app.CloseCode, reason string) {
	p.leave(func() { p.socket().CloseWith(conn.ReasonForcedClose, uint16(code), reason) })
	if p.stay != nil {
		p.stay.close(p, reason)
	}
}

// receive gives one message to the handler.
func (p *textPeer) receive(data []byte) {
	if p.status() != opened {
		return
	}
	if !p.throttle() {
		return
	}
	p.server.stats.TextsIn.Add(1)
	if p.server.guard(p.id, func() error { p.session.Text(data); return nil }) != nil {
		p.Close(app.CloseInternal, "internal error")
	}
}

// release tells the handler once that the client has gone, for good.
func (p *textPeer) release(session app.TextSession, reason string) {
	if p.stay != nil {
		p.stay.session.Close()
	}
	p.client.release(session, reason)
}

// end tells the handler once that the client has gone.
func (p *textPeer) end(reason conn.Reason) { p.release(p.session, reason.String()) }

// throttle makes a client that sends more than it may wait, and with it TCP: it loses nothing and costs only itself. It
// reports whether the client is still there.
func (p *textPeer) throttle() bool {
	limit := p.server.maxMessages.Load()
	if limit <= 0 {
		return true
	}
	wait := p.bucket.Fill(time.Now(), 1+app.WeightInflated(p.socket().Inflated()), limit, 2*limit)
	if wait <= 0 {
		return true
	}
	p.server.stats.Throttled.Add(1)
	return p.socket().Pause(wait)
}

// Charge implements [app.Charger].
func (p *textPeer) Charge(weight float64) { p.bucket.Charge(weight) }

// textReceiver is a peer as its connection sees it.
type textReceiver struct{ peer *textPeer }

var _ conn.Receiver = textReceiver{}

// Text implements [conn.Receiver].
func (r textReceiver) Text(data []byte) error {
	r.peer.receive(data)
	return nil
}

// Binary implements [conn.Receiver]: the programs that clients were written for took bytes for text, as Node's
// Buffer.toString does.
func (r textReceiver) Binary(data []byte) error {
	r.peer.receive(validText(data))
	return nil
}

func validText(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	return bytes.ToValidUTF8(data, []byte("\uFFFD"))
}

// Names implements [conn.Named].
func (r textReceiver) Names() (id, user string) { return r.peer.names() }

func (p *textPeer) names() (id, user string) { return p.id, app.UserOf(p.session, p.member) }

// Closed implements [conn.Receiver].
func (r textReceiver) Closed(reason conn.Reason) { r.peer.end(reason) }
