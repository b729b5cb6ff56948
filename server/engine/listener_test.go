package engine

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
)

// room returns how many connections of one file descriptor would be taken.
func (s *server) room(t *testing.T) int {
	var places []*conn.Place
	for {
		place, err := s.conns.Reserve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), 1)
		if err != nil {
			break
		}
		places = append(places, place)
	}
	for _, place := range places {
		place.Cancel()
	}
	return len(places)
}

// TestRoomForUpgrades: a client that polls may need three file descriptors, until it has upgraded.
func TestRoomForUpgrades(t *testing.T) {
	a := newApp()
	s := start(t, conn.Config{MaxDescriptors: 8}, a)
	s.connect(t)
	a.next(t)
	one, two := s.poller(t), s.poller(t)
	sessions := []*Session{a.next(t), a.next(t)}
	if status, _ := s.get(t, "GET", pollingQuery); status != http.StatusForbidden {
		t.Errorf("one that polls with 7 of 8 in use: %d", status)
	}
	s.connect(t) // takes the last
	a.next(t)
	if status, _ := s.get(t, "GET", "EIO=4&transport=websocket", testkit.UpgradeHeader()...); status != http.StatusForbidden {
		t.Errorf("a websocket with 8 of 8 in use: %d", status)
	}
	c := one.probe()
	testkit.Write(t, c, "5")
	testkit.Until(t, "upgrade", sessions[0].Upgraded)
	testkit.Until(t, "room for one more", func() bool {
		return s.room(t) == 2
	})
	two.post("1")
	c.CloseNow()
	testkit.Until(t, "end of both", func() bool {
		return s.room(t) == 6
	})
}

// TestPostBehindAPoll: on the connection of a poll that waits a post is answered at once, whether it came with the poll or
// later, whole or in parts.
func TestPostBehindAPoll(t *testing.T) {
	a := newApp().echo()
	s := newServer(conn.Config{}, a.accept)
	defer s.Shutdown(t.Context())
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := conn.Listen(tcp, conn.ListenerOptions{WriteTimeout: time.Minute})
	web := &http.Server{ConnState: l.Follow, ConnContext: l.Context, Handler: s}
	go web.Serve(l)
	defer web.Close()
	dial := func() *testkit.Raw { return testkit.DialRaw(t, l.Addr().String()) }
	open := dial()
	open.Send([]byte("GET /socket.io/?" + pollingQuery + " HTTP/1.1\r\nHost: x\r\n\r\n"))
	body := func(r *testkit.Raw) string {
		res := r.Head(http.StatusOK)
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	path := " /socket.io/?" + pollingQuery + "&sid=" + sidOf(t, body(open)) + " HTTP/1.1\r\nHost: x\r\n"
	session := a.next(t)
	get, head, content := []byte("GET"+path+"\r\n"), []byte("POST"+path+"Content-Length: 2\r\n\r\n"), []byte("4x")
	for name, parts := range map[string][][]byte{
		"together":                   {bytes.Join([][]byte{get, head, content}, nil)},
		"later":                      {get, append(head[:len(head):len(head)], content...)},
		"together, and another poll": {bytes.Join([][]byte{get, head, content, get}, nil)},
		"in parts":                   {append(get[:len(get):len(get)], head...), content},
	} {
		r := dial()
		for i, part := range parts {
			if i > 0 && name == "later" {
				waitPolling(t, session, true)
			}
			r.Send(part)
		}
		if got := body(r); got != "6" {
			t.Errorf("%s: the poll is answered %q, want a noop", name, got)
		}
		if got := body(r); got != "ok" {
			t.Errorf("%s: the post is answered %q", name, got)
		}
		if name != "together, and another poll" {
			r.Send(get)
		}
		if got := body(r); got != "4x" {
			t.Errorf("%s: the next poll is answered %q", name, got)
		}
		r.Close()
	}
}
