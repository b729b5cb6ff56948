package handlers

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// inner is a handler that answers with the event's name.
type inner struct{ closed *int }

func (inner) Connect(app.Peer, app.Handshake) (app.Session, error) { return inner{new(int)}, nil }
func (inner) Event(e *app.Event)                                   { e.Ack.Send(e.Name) }
func (i inner) Close(string)                                       { *i.closed++ }

func (h *house) leased(auth string) (*chatter, error) {
	c := new(chatter)
	c.guest = h.guest(func(g *guest) hub.Sink { return &chatSink{guest: g} })
	var err error
	c.session, err = h.doors.Leased(inner{}).Connect(c, app.Handshake{
		Auth: json.RawMessage(auth), Header: func(string) string { return "" },
	})
	return c, err
}

func TestLeasedNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, requireAuth)
		for _, bad := range []string{`{}`, `{"token":"x"}`, `{"token":"` + expired + `"}`} {
			if _, err := h.leased(bad); err == nil || err.Error() != "Authentication failed" {
				t.Errorf("%s: %v", bad, err)
			}
		}
		ann, err := h.leased(`{"token":"` + h.token("ann") + `"}`)
		if err != nil {
			t.Fatal(err)
		}
		bob, err := h.leased(`{"token":"` + h.token("bob") + `"}`)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 30*time.Second)
		synctest.Wait()
		ann.want(`token_expiring {"expiresAt":"ISO"}`)
		ann.ask("any")
		ann.ask("renew")
		ann.ask("renew", `{"token":"x","recipientUserId":5}`) // addressed: the broker's
		ann.ask("renew", `{"token":"x"}`)
		ann.ask("renew", `{"token":"`+h.token("bob")+`"}`)
		refused := `ack {"ok":false,"error":"Authentication failed"}`
		ann.want(`ack "any"`, `ack "renew"`, `ack "renew"`, refused, refused)
		ann.ask("renew", `{"token":"`+h.token("ann")+`"}`)
		ann.want(`ack {"ok":true,"expiresAt":"ISO"}`)
		bob.take()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		wantNothing(ann)
		bob.want("disconnect false")
		s := ann.session.(*leasedSession)
		ann.leave()
		bob.leave()
		if n := *s.inner.(inner).closed; n != 1 {
			t.Errorf("the inner session was closed %d times, want once", n)
		}
	})
}

func TestAuthenticate(t *testing.T) {
	h := newHouse(t, requireAuth)
	none := func(string) string { return "" }
	id, err := h.doors.Authenticate(app.Handshake{Auth: json.RawMessage(`{"token":"` + h.token("42") + `"}`), Header: none})
	if err != nil || id.UserID != "42" {
		t.Errorf("Authenticate = %v, %v", id, err)
	}
	if _, err := h.doors.Authenticate(app.Handshake{Auth: json.RawMessage(`{}`), Header: none}); err == nil {
		t.Error("nobody was let in")
	}
}
