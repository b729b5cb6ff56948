package testkit

import (
	"strings"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// Listener is a client of a stream. Records are written with " | " for line breaks.
type Listener struct {
	*Guest
	session app.StreamSession
}

type streamSink struct{ *Guest }

func (s streamSink) Deliver(m *hub.Message) bool { return m.SSE != nil && s.records(m.SSE) }

func (g *Guest) records(b []byte) bool {
	ok := true
	for _, r := range strings.SplitAfter(string(b), "\n\n") {
		if r != "" {
			ok = g.add(strings.ReplaceAll(strings.TrimSuffix(r, "\n\n"), "\n", " | ")) && ok
		}
	}
	return ok
}

func (c *Listener) Send(records []byte) bool { return c.records(records) }
func (c *Listener) Close()                   { c.end("close") }

func (h *House) TryStream(d app.StreamHandler, v app.Visit) (*Listener, error) {
	c := new(Listener)
	c.Guest = h.Guest(func(g *Guest) hub.Sink { return streamSink{g} })
	var err error
	c.session, err = d.Connect(c, v)
	return c, err
}

func (h *House) Stream(d app.StreamHandler, v app.Visit) *Listener {
	h.t.Helper()
	c, err := h.TryStream(d, v)
	if err != nil {
		h.t.Fatalf("Connect = %v, want nil", err)
	}
	h.t.Cleanup(c.Leave)
	return c
}

// Events returns a client of /events that has read its greeting.
func (h *House) Events() *Listener {
	h.t.Helper()
	c := h.Stream(h.Tap.Stream(), Visit("", nil, nil))
	c.Want(`event: connected | data: {"time":MS}`)
	return c
}

func (c *Listener) Leave() {
	if c.session != nil {
		c.session.Close("transport close")
		c.session = nil
		c.house.Hub.Remove(c.member)
	}
}
