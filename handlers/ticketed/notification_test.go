package ticketed_test

import (
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
)

func TestNotificationBothWays(t *testing.T) {
	h := testkit.New(t)
	one, two := h.Proved(h.Notification, "ann"), h.Proved(h.Notification, "ann")
	bob := h.Proved(h.Notification, "bob")
	chat, stream := h.Chat(h.Token("ann")), h.UserEvents("ann")
	for _, kind := range []string{"event", "notification"} {
		sent := `{"type":"` + kind + `", "data":{"a": 1.0}}`
		one.Say(sent)
		two.Want(sent)
		chat.Want(kind + ` {"a": 1.0}`)
		stream.Want("event: " + kind + ` | data: {"a": 1.0}`)
		testkit.WantNothing(one, bob)
	}
	ignored := []string{``, `hello`, `null`, `{}`, `{"type":"event"}`, `{"type":"event","data":1}`, `{"type":"event","data":[]}`,
		`{"type":"disconnect","data":{}}`, `{"type":5,"data":{}}`, `{"data":{}}`}
	for _, text := range ignored {
		one.Say(text)
	}
	testkit.WantNothing(one, two, bob, chat, stream)
	if n := h.Notification.Ignored(); n != uint64(len(ignored)) {
		t.Errorf("TextIgnored = %d, want %d", n, len(ignored))
	}
}

func TestNotificationHearsNothingBeforeItHasProvedWhoItIs(t *testing.T) {
	h := testkit.New(t)
	c := h.Text(h.Notification, h.Ticket("ann"))
	for _, channel := range []string{"user:ann", "broadcast"} {
		if n, _, _, err := h.Publisher.Publish(t.Context(), channel, []byte(`{"type":"event","data":{}}`)); n != 0 || err != nil {
			t.Errorf("Publish(%s) = %d, %v", channel, n, err)
		}
	}
	c.Want("connection established")
}

func TestNotificationTokenEndsAndRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		ann, bob := h.Proved(h.Notification, "ann"), h.Proved(h.Notification, "bob") // for an hour
		time.Sleep(time.Hour - 30*time.Second)
		synctest.Wait()
		ann.Want(`{"type":"event","data":{"type":"token_expiring","expiresAt":"ISO"}}`)
		bob.Take()
		bob.Say(`{"type":"renew","token":"` + h.Token("ann") + `"}`)
		bob.Want(`{"type":"event","data":{"type":"renewal_refused"}}`)
		bob.Say(`{"type":"renew","token":"` + h.Token("bob") + `"}`)
		bob.Want(`{"type":"event","data":{"type":"renewed","expiresAt":"ISO"}}`)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ann.Want("close 1008 token expired")
		testkit.WantNothing(bob)
		ann.Leave()
		bob.Leave()
	})
}
