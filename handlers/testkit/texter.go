package testkit

import (
	"encoding/json"
	"fmt"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// Texter is a client of a plain WebSocket.
type Texter struct {
	*Guest
	Session app.TextSession
}

type textSink struct{ *Guest }

func (s textSink) Deliver(m *hub.Message) bool { return m.Text != nil && s.add(string(m.Text)) }

func (c *Texter) Send(text []byte) bool { return c.add(string(text)) }
func (c *Texter) Close(code app.CloseCode, reason string) {
	c.end(fmt.Sprintf("close %d %s", code, reason))
}

func Visit(token string, params map[string]string, header map[string]string) app.Visit {
	return app.Visit{
		Handshake: app.Handshake{
			Auth: json.RawMessage("{}"),
			Query: func(name string) string {
				if name == "token" {
					return token
				}
				return ""
			},
			Header: func(name string) string { return header[name] },
		},
		Param: func(name string) string { return params[name] },
		Token: token,
	}
}

func (h *House) TryText(d app.TextHandler, token string) (*Texter, error) {
	c := new(Texter)
	c.Guest = h.Guest(func(g *Guest) hub.Sink { return textSink{g} })
	var err error
	c.Session, err = d.Connect(c, Visit(token, nil, nil))
	return c, err
}

func (h *House) Text(d app.TextHandler, token string) *Texter {
	h.t.Helper()
	c, err := h.TryText(d, token)
	if err != nil {
		h.t.Fatalf("Connect = %v, want nil", err)
	}
	h.t.Cleanup(c.Leave)
	return c
}

// WS returns a client of /ws that has read its greeting.
func (h *House) WS(token string) *Texter {
	h.t.Helper()
	c := h.Text(h.Rooms.Text(), token)
	c.Want(`{"type":"connected","clientId":"` + c.id + `"}`)
	return c
}

func (c *Texter) Say(text string) {
	if c.Closed() {
		return // a door gives nothing to a handler that has closed its client
	}
	b := []byte(text)
	c.Session.Text(b)
	Scribble(b)
}

func (c *Texter) Leave() { c.LeaveWith("transport close") }
func (c *Texter) LeaveWith(reason string) {
	if c.Session != nil {
		c.Session.Close(reason)
		c.Session = nil
		c.house.Hub.Remove(c.member)
	}
}
