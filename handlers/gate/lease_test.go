package gate_test

import (
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/app"
)

// inner is a handler that answers with the event's name.
type inner struct{ closed *int }

func (i inner) Connect(app.Peer, app.Handshake) (app.Session, error) { return i, nil }
func (inner) Event(e *app.Event)                                     { e.Ack.Send(e.Name) }
func (i inner) Close(string)                                         { *i.closed++ }

func TestLeasedNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t, testkit.RequireAuth)
		for _, bad := range []string{`{}`, `{"token":"x"}`, `{"token":"` + testkit.Expired() + `"}`} {
			if _, err := h.Leased(inner{}, bad); err == nil || err.Error() != "Authentication failed" {
				t.Errorf("%s: %v", bad, err)
			}
		}
		handler := inner{new(int)}
		ann, err := h.Leased(handler, `{"token":"`+h.Token("ann")+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		bob, err := h.Leased(handler, `{"token":"`+h.Token("bob")+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 30*time.Second)
		synctest.Wait()
		ann.Want(`token_expiring {"expiresAt":"ISO"}`)
		ann.Ask("any")
		ann.Ask("renew")
		ann.Ask("renew", `{"token":"x","recipientUserId":5}`) // addressed: the broker's
		ann.Ask("renew", `{"token":"x"}`)
		ann.Ask("renew", `{"token":"`+h.Token("bob")+`"}`)
		refused := `ack {"ok":false,"error":"Authentication failed"}`
		ann.Want(`ack "any"`, `ack "renew"`, `ack "renew"`, refused, refused)
		ann.Ask("renew", `{"token":"`+h.Token("ann")+`"}`)
		ann.Want(`ack {"ok":true,"expiresAt":"ISO"}`)
		bob.Take()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		testkit.WantNothing(ann)
		bob.Want("disconnect false")
		ann.Leave()
		bob.Leave()
		if *handler.closed != 2 {
			t.Errorf("the inner sessions were closed %d times, want once each", *handler.closed)
		}
	})
}
