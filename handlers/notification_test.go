package handlers

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestNotificationBothWays(t *testing.T) {
	h := newHouse(t)
	one, two := h.proved(h.doors.Notification, "ann"), h.proved(h.doors.Notification, "ann")
	bob := h.proved(h.doors.Notification, "bob")
	chat, stream := h.chat(h.token("ann")), h.userEvents("ann")
	for _, kind := range []string{"event", "notification"} {
		sent := `{"type":"` + kind + `", "data":{"a": 1.0}}`
		one.send(sent)
		two.want(sent)
		chat.want(kind + ` {"a": 1.0}`)
		stream.want("event: " + kind + ` | data: {"a": 1.0}`)
		wantNothing(one, bob)
	}
	ignored := []string{``, `hello`, `null`, `{}`, `{"type":"event"}`, `{"type":"event","data":1}`, `{"type":"event","data":[]}`,
		`{"type":"disconnect","data":{}}`, `{"type":5,"data":{}}`, `{"data":{}}`}
	for _, text := range ignored {
		one.send(text)
	}
	wantNothing(one, two, bob, chat, stream)
	if n := h.doors.Stats().TextIgnored; n != uint64(len(ignored)) {
		t.Errorf("TextIgnored = %d, want %d", n, len(ignored))
	}
}

func TestNotificationHearsNothingBeforeItHasProvedWhoItIs(t *testing.T) {
	h := newHouse(t)
	c := h.text(h.doors.Notification, h.ticket("ann"))
	for _, channel := range []string{"user:ann", "broadcast"} {
		if n, _, err := h.doors.Publisher.Publish(t.Context(), channel, []byte(`{"type":"event","data":{}}`)); n != 0 || err != nil {
			t.Errorf("Publish(%s) = %d, %v", channel, n, err)
		}
	}
	c.want("connection established")
}

func TestNotificationTokenEndsAndRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ann, bob := h.proved(h.doors.Notification, "ann"), h.proved(h.doors.Notification, "bob") // for an hour
		time.Sleep(time.Hour - 30*time.Second)
		synctest.Wait()
		ann.want(`{"type":"event","data":{"type":"token_expiring","expiresAt":"ISO"}}`)
		bob.take()
		bob.send(`{"type":"renew","token":"` + h.token("ann") + `"}`)
		bob.want(`{"type":"event","data":{"type":"renewal_refused"}}`)
		bob.send(`{"type":"renew","token":"` + h.token("bob") + `"}`)
		bob.want(`{"type":"event","data":{"type":"renewed","expiresAt":"ISO"}}`)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ann.want("close 1008 token expired")
		wantNothing(bob)
		ann.leave()
		bob.leave()
	})
}
