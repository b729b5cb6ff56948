package handlers

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/wire"
	"signalbox/store"
)

// silent is a client that throws away what it gets, after it was encoded as a connection would.
type silent struct {
	member *hub.Member
	id     string
}

func newSilent(id string) *silent {
	s := &silent{id: id}
	s.member = hub.NewMember(id, s)
	return s
}

func (s *silent) ID() string                { return s.id }
func (s *silent) Namespace() string         { return "/" }
func (s *silent) Member() *hub.Member       { return s.member }
func (s *silent) Emit(string, ...any) error { return nil }
func (s *silent) Disconnect(bool)           {}
func (s *silent) Closed() bool              { return false }
func (s *silent) Answer(string, ...any)     {}
func (s *silent) Deliver(m *hub.Message) bool {
	m.Encoded(hub.FormSocketIO, encode)
	return true
}

func encode(m *hub.Message) *wire.Message {
	b := wire.NewBuilder(len(m.Event) + len(m.Args[0]) + 8)
	b.Buf = append(b.Buf, `42["`...)
	b.Buf = append(b.Buf, m.Event...)
	b.Buf = append(b.Buf, `",`...)
	b.Buf = append(b.Buf, m.Args[0]...)
	b.Buf = append(b.Buf, ']')
	return b.Message(m.Attachments...)
}

func (w *world) silent(b testing.TB, id string) (*silent, app.Session) {
	s := newSilent(id)
	session, err := w.root.Connect(s, app.Handshake{})
	if err != nil {
		b.Fatal(err)
	}
	return s, session
}

func event(name string, args ...string) *app.Event {
	e := &app.Event{Name: name}
	for _, a := range args {
		e.Args = append(e.Args, json.RawMessage(a))
	}
	return e
}

// BenchmarkRelay is one event to one receiver, encoding included.
func BenchmarkRelay(b *testing.B) {
	sdp := strings.Repeat(`v=0\r\na=candidate:1 1 UDP \"x\" `, 64)
	for name, data := range map[string]string{
		"data=60B/id=number": `{"recipientUserId":1234,"senderUserId":5678,"type":"offer"}`,
		"data=60B/id=string": `{"recipientUserId":"u-1234","senderUserId":"u-5678","type":"x"}`,
		"data=2KB":           `{"recipientUserId":1234,"senderUserId":5678,"sdp":"` + sdp + `"}`,
		"data=100KB":         `{"recipientUserId":1234,"senderUserId":5678,"l":[` + strings.Repeat(`{"a":[1,2,"xyz"]},`, 6000) + `0]}`,
	} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, RootOptions{})
			for i, id := range []string{`1234`, `"u-1234"`} {
				_, receiver := w.silent(b, fmt.Sprint("r", i))
				receiver.Event(event("join", `{"senderUserId":`+id+`}`))
			}
			_, sender := w.silent(b, "s")
			e := event("signal", data)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				sender.Event(e)
			}
		})
	}
}

// TestRelayAllocatesTheMessageOnly: the message, and what encoding makes of it.
func TestRelayAllocatesTheMessageOnly(t *testing.T) {
	w := newWorld(t, RootOptions{})
	_, receiver := w.silent(t, "r")
	receiver.Event(event("join", `{"senderUserId":"u-1"}`))
	_, sender := w.silent(t, "s")
	for _, data := range []string{`{"recipientUserId":"u-1","x":1}`, `{"recipientUserId":"\u0075-1"}`, `{"recipientUserId":1.5}`} {
		e := event("signal", data)
		want := 1.0
		if strings.Contains(data, "u") && !strings.Contains(data, "1.5") {
			want += 2 // encoded: the bytes and what holds them
		}
		if got := testing.AllocsPerRun(100, func() { sender.Event(e) }); got > want {
			t.Errorf("%s: %v allocations, want %v", data, got, want)
		}
	}
}

func BenchmarkRoomMessage(b *testing.B) {
	for _, users := range []int{1, 300} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			w := newWorld(b, RootOptions{})
			var sender app.Session
			for i := range users {
				var s *silent
				s, sender = w.silent(b, fmt.Sprint("s", i))
				login := event("login", `{"name":"n","room":"r"}`)
				login.Ack = app.NewAcker(s, "1")
				sender.Event(login)
			}
			e := event("roomMessage", `"`+strings.Repeat("x", 200)+`"`)
			b.ReportAllocs()
			for b.Loop() {
				sender.Event(e)
			}
		})
	}
}

// BenchmarkLoginStorm is 300 clients that log in to one room at once.
func BenchmarkLoginStorm(b *testing.B) {
	const clients = 300
	b.ReportAllocs()
	var lists uint64
	for b.Loop() {
		w := newWorld(b, RootOptions{})
		var wg sync.WaitGroup
		for i := range clients {
			s, session := w.silent(b, fmt.Sprintf("abcdefghijklmnop%04d", i))
			e := event("login", fmt.Sprintf(`{"name":"name%d","room":"room"}`, i))
			e.Ack = app.NewAcker(s, "1")
			wg.Go(func() { session.Event(e) })
		}
		wg.Wait()
		lists += w.root.Stats().UserLists
		w.root.Close()
	}
	b.ReportMetric(float64(lists)/float64(b.N), "lists/op")
}

func BenchmarkUserList(b *testing.B) {
	users := make([]store.User, 300)
	for i := range users {
		users[i] = store.User{ID: fmt.Sprintf("abcdefghijklmnop%04d", i), Name: fmt.Sprint("name", i), Room: "room"}
	}
	b.ReportAllocs()
	for b.Loop() {
		listMessage(users)
	}
}
