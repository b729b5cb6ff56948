package hub

import "testing"

// foreignBus notes what is for servers of other kinds, and says that they have two members everywhere.
type foreignBus struct {
	Bus
	sent []string
}

func (b *foreignBus) SendSelection(sel Selection, msg *Message, counted func(int, bool)) {
	to := msg.Namespace
	if len(sel.Rooms) > 0 {
		to = sel.Rooms[0].Name
	}
	if msg.Foreign {
		b.sent = append(b.sent, to+" "+msg.Event)
	}
	if counted != nil {
		counted(2, true)
	}
}

func TestSendForeign(t *testing.T) {
	delivered, all := -1, false
	counted := func(n int, complete bool) { delivered, all = n, complete }
	New().SendForeign(Room{KindUser, "42"}, &Message{}, counted) // there is no other server
	if delivered != 0 || !all {
		t.Errorf("alone: delivered to %d, complete %v, want none and true", delivered, all)
	}
	b := new(foreignBus)
	h := New()
	h.Bus = b
	msg := &Message{Namespace: "/chat", Event: "x"}
	h.SendForeign(Room{KindRoom, "r"}, msg, nil)
	h.SendForeign(Room{KindTopic, "broadcast"}, msg, counted)
	if len(b.sent) != 2 || b.sent[0] != "r x" || b.sent[1] != "/chat x" {
		t.Errorf("sent %q, want x to the room, and to everybody in /chat", b.sent)
	}
	if delivered != 2 || msg.Foreign {
		t.Errorf("delivered to %d, and the message is %+v; want 2, and the message as it was", delivered, msg)
	}
}
