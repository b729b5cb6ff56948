package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/recovery"
)

// recovering switches recovery on.
func recovering(adjust ...func(*Recovery)) *Recovery {
	r := &Recovery{Config: recovery.Config{Time: 2 * time.Minute, Notice: 45 * time.Second, Bytes: 64 << 20}}
	for _, f := range adjust {
		f(r)
	}
	return r
}

// returner is a client as the JavaScript one behaves: it keeps the pid and the last text at the end of an event.
type returner struct {
	*client
	namespace        string
	sid, pid, offset string
	recovered        bool
	auth             string
}

// open connects to the namespace and returns the events that came before the answer.
func (r *returner) open(c *client) (missed []string) {
	r.client = c
	head := "40"
	if r.namespace != "/" {
		head += r.namespace + ","
	}
	payload := map[string]any{}
	if r.pid != "" {
		payload["pid"] = r.pid
		if r.offset != "" {
			payload["offset"] = r.offset
		}
	}
	if r.auth != "" {
		payload["token"] = r.auth
	}
	raw, _ := json.Marshal(payload)
	c.Send(head + string(raw))
	for {
		got := c.Read()
		answer, ok := strings.CutPrefix(got, head)
		if !ok {
			missed = append(missed, r.take(got))
			continue
		}
		var a struct{ Sid, Pid string }
		if err := json.Unmarshal([]byte(answer), &a); err != nil || len(a.Sid) != 20 || len(a.Pid) != 20 {
			c.T.Fatalf("answer = %q", got)
		}
		r.recovered = a.Pid == r.pid
		r.sid, r.pid = a.Sid, a.Pid
		return missed
	}
}

// take notes what an event ends in, and returns the event without its offset.
func (r *returner) take(packet string) string {
	r.T.Helper()
	head := "42"
	if r.namespace != "/" {
		head += r.namespace + ","
	}
	raw, ok := strings.CutPrefix(packet, head)
	var args []json.RawMessage
	if !ok || json.Unmarshal([]byte(raw), &args) != nil {
		r.T.Fatalf("no event: %q", packet)
	}
	var last string
	if json.Unmarshal(args[len(args)-1], &last) == nil {
		r.offset = last
		if len(last) == recovery.OffsetLength {
			args = args[:len(args)-1]
		}
	}
	out, _ := json.Marshal(args)
	return string(out)
}

func (r *returner) next() string { r.T.Helper(); return r.take(r.Read()) }

func (r *returner) wantNext(events ...string) {
	r.T.Helper()
	for _, want := range events {
		if got := r.next(); got != want {
			r.T.Fatalf("event = %s, want %s", got, want)
		}
	}
}

func (r *returner) cut() { r.WS.CloseNow() }

func event(n int) *hub.Message {
	return &hub.Message{Namespace: "/", Event: "n", Args: []json.RawMessage{json.RawMessage(fmt.Sprint(n))}}
}

var recoveryRoom = hub.Room{Kind: hub.KindUser, Name: "room"}

// house is a server whose clients are in one room.
func recoveryHouse(t *testing.T, r *Recovery, f functions, test func(s *Server, dial func() *client, send func(n int) int)) {
	synctest.Test(t, func(t *testing.T) {
		var s *Server
		inner := f.connect
		f.connect = func(p app.Peer, hs app.Handshake) error {
			s.hub.Join(p.Member(), recoveryRoom)
			if inner != nil {
				return inner(p, hs)
			}
			return nil
		}
		inBubble(t, map[string]app.Handler{"/": f, "/chat": f}, Config{Recovery: r}, func(server *Server, dial func() *client) {
			s = server
			test(s, dial, func(n int) int { return s.hub.Send(recoveryRoom, event(n)) })
		})
	})
}

func wantMissed(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("missed %v, want %v", got, want)
	}
}

func TestRecoveryOfACut(t *testing.T) {
	var closed atomic.Int32
	f := functions{closed: func(app.Peer, string) { closed.Add(1) }}
	recoveryHouse(t, recovering(), f, func(s *Server, dial func() *client, send func(int) int) {
		r := &returner{namespace: "/"}
		wantMissed(t, r.open(dial()))
		sid := r.sid
		if n := send(1); n != 1 {
			t.Errorf("delivered to %d, want 1", n)
		}
		r.wantNext(`["n",1]`)
		for round := range 3 { // what was replayed once is not replayed again
			r.cut()
			synctest.Wait()
			m := event(10 * round)
			if n := s.hub.Send(recoveryRoom, m); n != 0 || m.Held() != 1 {
				t.Errorf("away: delivered to %d, held for %d, want 0 and 1", n, m.Held())
			}
			send(10*round + 1)
			s.hub.Send(recoveryRoom, &hub.Message{Namespace: "/", Event: "volatile", Volatile: true})
			time.Sleep(time.Minute)
			wantMissed(t, r.open(dial()), fmt.Sprintf(`["n",%d]`, 10*round), fmt.Sprintf(`["n",%d]`, 10*round+1))
			if !r.recovered || r.sid != sid {
				t.Fatalf("recovered %v as %s, want as %s", r.recovered, r.sid, sid)
			}
		}
		send(5)
		r.wantNext(`["n",5]`)
		if closed.Load() != 0 {
			t.Errorf("the handler heard %d times of an end", closed.Load())
		}
		r.cut()
		time.Sleep(2*time.Minute - time.Millisecond)
		if synctest.Wait(); closed.Load() != 0 {
			t.Error("the session ended before its time")
		}
		time.Sleep(time.Millisecond)
		if synctest.Wait(); closed.Load() != 1 {
			t.Errorf("closed %d times after its time, want once", closed.Load())
		}
		r.open(dial())
		if r.recovered || r.sid == sid {
			t.Error("came back after its time")
		}
		if stats := s.RecoveryStore().Stats(); stats.Recovered != 3 || stats.Failed["unknown"] != 1 || stats.Ended["time"] != 1 {
			t.Errorf("stats = %+v", stats)
		}
	})
}

func TestRecoveryOfAQuietClient(t *testing.T) {
	recoveryHouse(t, recovering(), functions{}, func(s *Server, dial func() *client, send func(int) int) {
		r := &returner{namespace: "/"}
		r.open(dial())
		r.cut()
		synctest.Wait()
		send(1)
		wantMissed(t, r.open(dial()), `["n",1]`)
		if !r.recovered {
			t.Error("not recovered")
		}
	})
}

func TestRecoveryTakesOverALiveConnection(t *testing.T) {
	events := make(chan string, 8)
	f := functions{event: func(p app.Peer, e *app.Event) { events <- e.Name }}
	recoveryHouse(t, recovering(), f, func(s *Server, dial func() *client, send func(int) int) {
		r := &returner{namespace: "/"}
		r.open(dial())
		send(1)
		r.wantNext(`["n",1]`)
		send(2) // is on its way on a connection that nobody reads
		old := r.client
		wantMissed(t, r.open(dial()), `["n",2]`)
		if !r.recovered {
			t.Fatal("not recovered")
		}
		r.Send(`42["new"]`)
		if got := <-events; got != "new" {
			t.Errorf("event %q", got)
		}
		old.Want(`42["n",2,"` + r.offset + `"]`)
		if _, err := old.TryRead(); err == nil {
			t.Error("the old connection is open")
		}
		if n := send(3); n != 1 {
			t.Errorf("delivered to %d, want 1", n)
		}
		r.wantNext(`["n",3]`)
	})
}

func TestRecoveryWithTheOffsetOfAnEarlierSession(t *testing.T) {
	recoveryHouse(t, recovering(), functions{}, func(s *Server, dial func() *client, send func(int) int) {
		r := &returner{namespace: "/"}
		r.open(dial())
		send(1)
		r.wantNext(`["n",1]`)
		stale := r.offset
		r.cut()
		time.Sleep(3 * time.Minute)
		r.open(dial())
		if r.recovered || r.offset != stale {
			t.Fatal("not a new session with the old offset")
		}
		r.cut()
		synctest.Wait()
		send(2)
		wantMissed(t, r.open(dial()), `["n",2]`)
		if !r.recovered {
			t.Error("not recovered from the session's start")
		}
		r.offset = "an offset of another server"
		r.cut()
		synctest.Wait()
		wantMissed(t, r.open(dial()), `["n",2]`)
	})
}

func TestRecoveryBehindTextsThatAreNoOffset(t *testing.T) {
	recoveryHouse(t, recovering(), functions{}, func(s *Server, dial func() *client, send func(int) int) {
		r := &returner{namespace: "/"}
		r.open(dial())
		volatile := func(args ...string) {
			m := &hub.Message{Namespace: "/", Event: "tick", Volatile: true}
			for _, a := range args {
				m.Args = append(m.Args, json.RawMessage(a))
			}
			s.hub.Send(recoveryRoom, m)
		}
		send(1)
		volatile(`1`, `"a \u00e4"`)
		r.wantNext(`["n",1]`)
		r.next()
		r.cut()
		synctest.Wait()
		send(2)
		wantMissed(t, r.open(dial()), `["n",2]`)
		if !r.recovered {
			t.Fatal("not recovered behind an argument")
		}
		volatile()
		r.next()
		if r.offset != "tick" {
			t.Fatalf("offset %q", r.offset)
		}
		r.cut()
		synctest.Wait()
		send(3)
		wantMissed(t, r.open(dial()), `["n",3]`)
		if !r.recovered {
			t.Fatal("not recovered behind a name")
		}
		volatile() // now nobody knows which of two
		r.next()
		r.cut()
		synctest.Wait()
		r.open(dial())
		if r.recovered {
			t.Error("recovered at a place that is not known")
		}
	})
}

func TestRecoveryIsNotForWhoIsSentAway(t *testing.T) {
	for name, leave := range map[string]func(r *returner, p app.Peer){
		"by itself":            func(r *returner, _ app.Peer) { r.Send("41"); r.cut() },
		"by the server":        func(r *returner, p app.Peer) { p.Disconnect(false); r.cut() },
		"with its connection":  func(_ *returner, p app.Peer) { p.Disconnect(true) },
		"while it is away":     func(r *returner, p app.Peer) { r.cut(); synctest.Wait(); p.Disconnect(false) },
		"altogether, and away": func(r *returner, p app.Peer) { r.cut(); synctest.Wait(); p.Disconnect(true) },
	} {
		t.Run(name, func(t *testing.T) {
			var peer app.Peer
			var closed atomic.Int32
			f := functions{connect: func(p app.Peer, _ app.Handshake) error { peer = p; return nil }, closed: func(app.Peer, string) { closed.Add(1) }}
			recoveryHouse(t, recovering(), f, func(s *Server, dial func() *client, send func(int) int) {
				r := &returner{namespace: "/"}
				r.open(dial())
				leave(r, peer)
				synctest.Wait()
				if closed.Load() != 1 || send(1) != 0 {
					t.Errorf("closed %d times, want once", closed.Load())
				}
				r.open(dial())
				if r.recovered {
					t.Error("recovered")
				}
			})
		})
	}
}

func TestRecoveryOfSeveralNamespaces(t *testing.T) {
	auths := make(chan string, 8)
	f := functions{connect: func(_ app.Peer, hs app.Handshake) error { auths <- string(hs.Auth); return nil }}
	only := func(r *Recovery) { r.In = func(namespace string) bool { return namespace != "/" } }
	recoveryHouse(t, recovering(only), f, func(s *Server, dial func() *client, send func(int) int) {
		r := &returner{namespace: "/chat", auth: "t"}
		c := dial()
		r.open(c)
		if sid := c.Join("/", ""); sid == r.sid {
			t.Error("one sid twice")
		}
		r.cut()
		synctest.Wait()
		r.open(dial())
		if !r.recovered {
			t.Error("not recovered")
		}
		r.Send(`40{"pid":"secret","offset":"x","a":1}`) // where there is no recovery it means nothing
		r.Read()
		r.pid = "01234567890123456789"
		r.cut()
		r.open(dial())
		for _, want := range []string{`{"token":"t"}`, `{}`, `{"pid":"secret","offset":"x","a":1}`, `{"token":"t"}`} {
			if got := <-auths; got != want {
				t.Errorf("auth = %s, want %s", got, want)
			}
		}
	})
}

// picky lets a client come back with one token only.
type picky struct{ appSession }

func (picky) Return(hs app.Handshake) error {
	if strings.Contains(string(hs.Auth), "good") {
		return nil
	}
	return errors.New("refused")
}

type pickyHandler struct{ functions }

func (h pickyHandler) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	_, err := h.functions.Connect(p, hs)
	return picky{appSession{h.functions, p}}, err
}

func TestRecoveryAsksTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		h := pickyHandler{functions{closed: func(app.Peer, string) { closed.Add(1) }}}
		inBubble(t, map[string]app.Handler{"/": h}, Config{Recovery: recovering()}, func(s *Server, dial func() *client) {
			r := &returner{namespace: "/", auth: "good"}
			r.open(dial())
			r.cut()
			synctest.Wait()
			pid, sid := r.pid, r.sid
			r.auth = "bad"
			r.open(dial())
			if r.recovered || closed.Load() != 0 {
				t.Error("came back with a bad token, or the session has ended")
			}
			r.pid, r.auth = pid, "good"
			r.open(dial())
			if !r.recovered || r.sid != sid {
				t.Error("did not come back with a good token")
			}
		})
	})
}

func TestRecoveryBounds(t *testing.T) {
	long := json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)
	for name, c := range map[string]struct {
		recovery *Recovery
		clients  int
		messages int
		failed   string
		ended    string
		rooms    int
	}{
		"a room over a quarter":          {recovering(func(r *Recovery) { r.Bytes = 40_000 }), 1, 20, "trimmed", "", 0},
		"more than the outbox":           {recovering(), 1, 30, "too much", "", 0},
		"sessions over the bytes":        {recovering(func(r *Recovery) { r.Bytes = 2000 }), 4, 0, "unknown", "bytes", 0},
		"rooms over the bytes":           {recovering(func(r *Recovery) { r.Bytes = 4000 }), 2, 0, "unknown", "bytes", 20},
		"more than one address may have": {recovering(func(r *Recovery) { r.PerAddress = 2 }), 3, 0, "unknown", "address", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *Server
				h := functions{connect: func(p app.Peer, _ app.Handshake) error {
					s.hub.Join(p.Member(), recoveryRoom)
					for i := range c.rooms {
						s.hub.Join(p.Member(), hub.Room{Kind: hub.KindUser, Name: fmt.Sprint(i, strings.Repeat("x", 50))})
					}
					return nil
				}}
				cfg := Config{Recovery: c.recovery}
				cfg.Conn.OutboxBytes, cfg.Conn.MaxConnectionsPerIP = 25_000, c.recovery.PerAddress
				inBubble(t, map[string]app.Handler{"/": h}, cfg, func(server *Server, dial func() *client) {
					s = server
					var first *returner
					for range c.clients {
						r := &returner{namespace: "/"}
						r.open(dial())
						s.hub.Send(recoveryRoom, event(1))
						r.wantNext(`["n",1]`)
						r.cut()
						synctest.Wait()
						if first == nil {
							first = r
						}
					}
					for range c.messages {
						s.hub.Send(recoveryRoom, &hub.Message{Namespace: "/", Event: "n", Args: []json.RawMessage{long}})
					}
					first.open(dial())
					stats := s.RecoveryStore().Stats()
					if first.recovered || stats.Failed[c.failed] != 1 || stats.Bytes > c.recovery.Bytes+2000 {
						t.Errorf("recovered %v, stats %+v", first.recovered, stats)
					}
					if c.ended != "" && stats.Ended[c.ended] == 0 {
						t.Errorf("ended = %v, want some for %s", stats.Ended, c.ended)
					}
				})
			})
		})
	}
}

// momentary is a handler whose clients do not come back.
type momentary struct{ functions }

func (momentary) Momentary() {}

func TestRecoveryIsNotForMomentaryHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inBubble(t, map[string]app.Handler{"/": momentary{}}, Config{Recovery: recovering()}, func(s *Server, dial func() *client) {
			c := dial()
			c.Send("40")
			if got := c.Read(); strings.Contains(got, "pid") {
				t.Errorf("answer %s", got)
			}
			c.WS.CloseNow()
			synctest.Wait()
			if n := s.Stats().Sockets; n != 0 {
				t.Errorf("%d sockets after a cut", n)
			}
		})
	})
}

func TestRecoveryOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inBubble(t, echo(), Config{}, func(s *Server, dial func() *client) {
			c := dial()
			c.Send(`40{"pid":"01234567890123456789","offset":"x"}`)
			if got := c.Read(); strings.Contains(got, "pid") {
				t.Errorf("answer %s", got)
			}
			_ = c.WS.Close(websocket.StatusNormalClosure, "")
		})
	})
}
