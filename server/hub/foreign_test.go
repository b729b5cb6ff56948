package hub

import "testing"

// foreignBus notes what is for servers of other kinds.
type foreignBus struct {
	Bus
	sent []string
}

func (b *foreignBus) Send(r Room, msg *Message) {
	if msg.Foreign {
		b.sent = append(b.sent, r.Name+" "+msg.Event)
	}
}

func (b *foreignBus) SendSelection(sel Selection, msg *Message, _ func(int, bool)) {
	if msg.Foreign && len(sel.Rooms) == 0 {
		b.sent = append(b.sent, msg.Namespace+" "+msg.Event)
	}
}

func TestSendForeign(t *testing.T) {
	New().SendForeign(Room{KindUser, "42"}, &Message{}) // there is no other server

	b := new(foreignBus)
	h := New()
	h.Bus = b
	msg := &Message{Namespace: "/chat", Event: "x"}
	h.SendForeign(Room{KindRoom, "r"}, msg)
	h.SendForeign(Room{KindTopic, "broadcast"}, msg)
	if len(b.sent) != 2 || b.sent[0] != "r x" || b.sent[1] != "/chat x" {
		t.Errorf("sent %q, want x to the room, and to everybody in /chat", b.sent)
	}
	if msg.Foreign {
		t.Error("the message itself was changed")
	}
}
