package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// fakeServer is a small Socket.IO server with the broker and the chat that misbehaves on demand. It has two addresses, as a
// cluster of two has.
type fakeServer struct {
	url    string
	second string

	// deliver, if set, stands between an addressed event and the wire: number n (from 1) of a receiver comes in, what
	// the receiver gets comes out. One call at a time.
	deliver func(n int, packet string) []string
	// answer, if set, stands between a callback and the wire in the same way.
	answer func(n int, packet string) []string
	// list, if set, changes the list of a chat room before it goes to receiver number i.
	list func(i int, users []string) []string

	// mu guards the following.
	mu       sync.Mutex
	sessions map[string]*fakeSession
	order    []*fakeSession
}

// fakeSession is one client.
type fakeSession struct {
	id     string
	second bool // came to the second address
	user   string
	chat   string // room

	delivered, answered int

	// mu guards the following.
	mu     sync.Mutex
	queue  []string
	closed bool
	wake   chan struct{} // holds a token while there is something new
}

// newFakeServer starts a server that lasts as long as the test.
func newFakeServer(t *testing.T) *fakeServer {
	t.Helper()
	f := &fakeServer{sessions: map[string]*fakeSession{}}
	srv := httptest.NewServer(http.HandlerFunc(f.serve))
	second := httptest.NewServer(http.HandlerFunc(f.serve))
	f.url, f.second = srv.URL, second.URL
	t.Cleanup(func() {
		f.mu.Lock()
		for _, s := range f.sessions {
			s.close()
		}
		f.mu.Unlock()
		srv.Close()
		second.Close()
	})
	return f
}

func (f *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if r.URL.Path != "/socket.io/" || query.Get("EIO") != "4" {
		http.NotFound(w, r)
		return
	}
	if query.Get("transport") == "websocket" {
		f.serveWebSocket(w, r)
		return
	}
	s := f.session(query.Get("sid"))
	if query.Get("sid") == "" {
		s = f.open(r)
	}
	switch {
	case s == nil:
		http.Error(w, `{"code":1,"message":"Session ID unknown"}`, http.StatusBadRequest)
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for p := range strings.SplitSeq(string(body), "\x1e") {
			f.packet(s, p)
		}
		fmt.Fprint(w, "ok")
	default:
		packets := s.take(r.Context())
		if len(packets) == 0 {
			packets = []string{"1"}
		}
		fmt.Fprint(w, strings.Join(packets, "\x1e"))
	}
}

// serveWebSocket serves one websocket client until it leaves.
func (f *fakeServer) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	conn, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	s := f.open(r)
	defer f.drop(s)
	var writer sync.WaitGroup
	writer.Go(func() { s.writeFrames(conn) })
	defer writer.Wait()
	defer s.close()
	for {
		p, err := wsutil.ReadClientText(bufferedConn{conn, rw})
		if err != nil {
			return
		}
		f.packet(s, string(p))
	}
}

// bufferedConn reads what came right behind the upgrade request first.
type bufferedConn struct {
	net.Conn
	rw *bufio.ReadWriter
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.rw.Read(p) }

// writeFrames writes what is queued until the session is closed. Every third frame is split in two, and a ping stands
// between the halves.
func (s *fakeSession) writeFrames(conn net.Conn) {
	for n := 0; ; {
		queue := s.take(context.Background())
		if len(queue) == 0 {
			conn.Close()
			return
		}
		var out bytes.Buffer
		for _, p := range queue {
			n++
			if n%3 != 0 {
				_ = wsutil.WriteServerText(&out, []byte(p))
				continue
			}
			half := len(p) / 2
			_ = ws.WriteFrame(&out, ws.NewFrame(ws.OpText, false, []byte(p[:half])))
			_ = ws.WriteFrame(&out, ws.NewPingFrame([]byte("are you there")))
			_ = ws.WriteFrame(&out, ws.NewFrame(ws.OpContinuation, true, []byte(p[half:])))
		}
		if _, err := conn.Write(out.Bytes()); err != nil {
			conn.Close()
			return
		}
	}
}

// open makes a session and queues its open packet.
func (f *fakeServer) open(r *http.Request) *fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &fakeSession{id: "fake" + strconv.Itoa(len(f.order)), second: "http://"+r.Host == f.second, wake: make(chan struct{}, 1)}
	f.sessions[s.id] = s
	f.order = append(f.order, s)
	s.put(`0{"sid":"` + s.id + `","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
	return s
}

func (f *fakeServer) session(id string) *fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[id]
}

// drop forgets a session.
func (f *fakeServer) drop(s *fakeSession) {
	f.mu.Lock()
	delete(f.sessions, s.id)
	s.chat, s.user = "", ""
	f.mu.Unlock()
	s.close()
}

// packet handles one packet of a client.
func (f *fakeServer) packet(s *fakeSession, p string) {
	switch {
	case p == "40":
		s.put(`40{"sid":"` + s.id + `"}`)
	case p == "41", p == "1":
		f.drop(s)
	case strings.HasPrefix(p, "42"):
		rest := strings.TrimLeft(p[2:], "0123456789")
		id := p[2 : len(p)-len(rest)]
		var event []json.RawMessage
		if json.Unmarshal([]byte(rest), &event) == nil && len(event) > 0 {
			f.event(s, id, event, rest)
		}
	}
}

// event runs the two apps.
func (f *fakeServer) event(s *fakeSession, id string, event []json.RawMessage, whole string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var data struct {
		Sender    string `json:"senderUserId"`
		Recipient any    `json:"recipientUserId"`
		Name      string `json:"name"`
		Room      string `json:"room"`
	}
	if len(event) > 1 {
		_ = json.Unmarshal(event[1], &data)
	}
	switch string(event[0]) {
	case `"join"`:
		s.user = data.Sender
		s.put("43" + id + `[{"ok":true}]`)
	case `"ping"`:
		s.answered++
		for _, p := range through(f.answer, s.answered, "43"+id+`["`+s.id+`"]`) {
			s.put(p)
		}
	case `"login"`:
		s.chat = data.Room
		f.sendList(data.Room)
		s.put("43" + id + `[{"user":{"id":"` + s.id + `"}}]`)
	default:
		reached := 0
		for _, to := range f.order {
			if to.user == data.Recipient {
				reached++
				to.delivered++
				for _, p := range through(f.deliver, to.delivered, "42"+whole) {
					to.put(p)
				}
			}
		}
		if id != "" {
			s.answered++
			for _, p := range through(f.answer, s.answered, "43"+id+`[{"ok":true,"delivered":`+strconv.Itoa(reached)+`}]`) {
				s.put(p)
			}
		}
	}
}

// sendList sends a chat room its list. f.mu is held.
func (f *fakeServer) sendList(room string) {
	var users []string
	for _, s := range f.order {
		if s.chat == room {
			users = append(users, `{"id":"`+s.id+`"}`)
		}
	}
	for i, s := range f.order {
		if s.chat == room {
			list := users
			if f.list != nil {
				list = f.list(i, users)
			}
			s.put(`42["users",[` + strings.Join(list, ",") + `]]`)
		}
	}
}

// through passes a packet through a fault, if there is one.
func through(fault func(int, string) []string, n int, packet string) []string {
	if fault == nil {
		return []string{packet}
	}
	return fault(n, packet)
}

// put queues a packet.
func (s *fakeSession) put(p string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, p)
	s.notifyLocked()
}

func (s *fakeSession) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.notifyLocked()
}

func (s *fakeSession) notifyLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take waits for packets and returns them, none when the session is closed or ctx ends.
func (s *fakeSession) take(ctx context.Context) []string {
	for {
		s.mu.Lock()
		queue, closed := s.queue, s.closed
		s.queue = nil
		s.mu.Unlock()
		if len(queue) > 0 || closed {
			return queue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
	}
}
