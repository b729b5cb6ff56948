package adminui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"signalbox/server/app"
	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/signin"
)

const right = `{"username":"admin","password":"` + password + `"}`

// signIn connects a page.
func signIn(t *testing.T, a *Admin, h *hub.Hub) (*client, app.Session) {
	t.Helper()
	c := &client{hub: h, namespace: Namespace}
	c.member = hub.NewMember("page", c)
	s, err := a.Connect(c, handshakeOf(right, "192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	h.Enter(c.member, hub.SocketRoom(Namespace, "page"), hub.EverybodyRoom(Namespace))
	h.Show(c.member)
	return c, s
}

// only returns the events of a kind.
func only(events []string, name string) (of []string) {
	for _, e := range events {
		if strings.HasPrefix(e, name+" ") {
			of = append(of, e)
		}
	}
	return of
}

func TestNothingIsToldWhileNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New()
		a, d := started(options(h), nil, "/")
		defer a.Close()
		stranger := enter(h, Namespace, "nobody signed in") // takes what is told to everybody
		c := enter(h, "/", "somebody")
		h.Join(c.member, hub.NamespaceRoom("/", "tea"))
		a.Sent(c, &hub.Message{Namespace: "/", Event: "e"})
		c.leave()
		time.Sleep(time.Minute + beat/2) // between two beats
		if got := only(stranger.take(), "server_stats"); len(got) > 0 || len(a.queue) > 0 || d.read > 0 {
			t.Errorf("told %q, figures were read %d times", got, d.read)
		}

		page, session := signIn(t, a, h)
		synctest.Wait()
		if got := only(page.take(), "server_stats"); len(got) != 1 {
			t.Errorf("figures at once = %q, want one", got)
		}
		time.Sleep(10 * beat)
		synctest.Wait()
		if got := only(page.take(), "server_stats"); len(got) != 10 {
			t.Errorf("%d times figures in ten beats", len(got))
		}
		session.Close("transport close")
		page.leave()
		time.Sleep(2 * beat)
		stranger.take()
		read := d.read
		enter(h, "/", "somebody else").leave()
		time.Sleep(time.Minute)
		if got := stranger.take(); len(got) > 0 || d.read != read {
			t.Errorf("after the last page has gone: %q", got)
		}
	})
}

func TestWhatHappensInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New()
		a, _ := started(options(h), nil, "/")
		defer a.Close()
		page, _ := signIn(t, a, h)
		synctest.Wait()
		page.take()
		c := enter(h, "/", "0123456789abcdefghij")
		h.Join(c.member, hub.Room{Kind: hub.KindUser, Name: "42"})
		h.Join(c.member, hub.Room{Kind: hub.KindLobby, Name: "42"}) // a second room of one name
		h.Join(c.member, hub.Room{Kind: hub.KindTopic, Name: "tap"})
		a.Received(c, &app.Event{Name: "e", RawName: json.RawMessage(`"e"`), Args: []json.RawMessage{json.RawMessage("1")}})
		a.Sent(c, &hub.Message{Namespace: "/", Event: "none"})
		a.Sent(page, &hub.Message{Namespace: Namespace, Event: "loop"})
		a.Upgraded(c)
		h.Leave(c.member, hub.Room{Kind: hub.KindLobby, Name: "42"})
		h.Leave(c.member, hub.Room{Kind: hub.KindUser, Name: "42"})
		c.leave()
		synctest.Wait()
		at := `"` + timestamp(time.Now()) + `"`
		id := `"0123456789abcdefghij"`
		want := []string{
			`socket_connected [{"id":` + id + `,"clientId":"123456789012","transport":"websocket","nsp":"/","data":{"k":1},` +
				`"handshake":{"address":"127.0.0.1","headers":{"accept":"*/*","user-agent":"test"},"query":{"EIO":"4"},"issued":1700000000000,` +
				`"secure":false,"time":"now","url":"/socket.io/?EIO=4","xdomain":false},"rooms":[` + id + `]},` + at + `]`,
			`room_joined ["/","42",` + id + `,` + at + `]`,
			`event_received ["/",` + id + `,["e",1],` + at + `]`,
			`event_sent ["/",` + id + `,["none"],` + at + `]`,
			`socket_updated [{"id":` + id + `,"nsp":"/","transport":"websocket"}]`,
			`room_left ["/","42",` + id + `,` + at + `]`,
			`socket_disconnected ["/",` + id + `,"transport close",` + at + `]`,
			`room_left ["/",` + id + `,` + id + `,` + at + `]`,
		}
		got := page.take()
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

func TestSecretsAreNotShown(t *testing.T) {
	whole := describe("/", format.Socket{
		ID: "x", Data: json.RawMessage(`[1]`),
		Handshake: json.RawMessage(`{"auth":{"k":"hush"},"sessionStore":"hush","headers":{"cookie":"hush","authorization":"hush","x-api-key":"hush","host":"seen"},
			"query":{"token":"hush","t":"eyJhush.x","EIO":"4"},"url":"/socket.io/?token=hush"}`),
	}, true)
	text, err := rawjson.Marshal(whole)
	if err != nil || strings.Contains(string(text), "hush") || !strings.Contains(string(text), `"seen"`) || whole.Handshake.Issued == 0 {
		t.Errorf("%s %v", text, err)
	}
	if text, _ = rawjson.Marshal(describe("/", format.Socket{}, true)); strings.Contains(string(text), "null") {
		t.Errorf("a socket of which nothing is known: %s", text)
	}
	for arg, hidden := range map[string]bool{
		`{"token":"x"}`: true, `{"a":{"newPassword" : "x"}}`: true, `"eyJhbGciOi.eyJ.x"`: true, `{"text":"my token"}`: false, `"a token: x"`: false, `[1]`: false,
	} {
		if secret.MatchString(arg) != hidden {
			t.Errorf("%s: hidden = %v, want %v", arg, !hidden, hidden)
		}
	}
}

func TestAttemptsAreCountedBeforeTheyAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := started(options(hub.New()), nil)
		defer a.Close()
		try := func(auth string) error {
			_, err := a.signIn(handshakeOf(auth, "192.0.2.1"))
			return err
		}
		for i := range 3 * signin.MaxFailures {
			if err := try(right); err != nil {
				t.Fatalf("sign-in %d: %v", i+1, err)
			}
		}
		for i := range signin.MaxFailures {
			if err := try(`{"username":"admin","password":"wrong"}`); err != errCredentials {
				t.Fatalf("wrong password %d: %v", i+1, err)
			}
		}
		if err := try(right); err != errTooMany {
			t.Errorf("one more: %v, want that it is not looked at", err)
		}
		if err := try(`{"sessionId":"` + strings.Repeat("a", 43) + `"}`); err != errCredentials {
			t.Errorf("a session that there is not: %v", err)
		}
		time.Sleep(signin.FailureCost)
		if err := try(right); err != nil {
			t.Errorf("after a while: %v", err)
		}
		session, err := a.signIn(handshakeOf(right, "192.0.2.2"))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := a.signIn(handshakeOf(`{"sessionId":"`+session+`"}`, "192.0.2.3")); err != nil || again != "" {
			t.Errorf("with a session: %q, %v", again, err)
		}
		time.Sleep(sessionLife)
		if _, err := a.signIn(handshakeOf(`{"sessionId":"`+session+`"}`, "192.0.2.3")); err != errCredentials {
			t.Errorf("with a session that is over: %v", err)
		}
	})
}

// known is what other servers know.
// TestSetAccount: another password lets in from then on, and ends the sign-ins with the old one.
func TestSetAccount(t *testing.T) {
	a, _ := started(options(hub.New()), nil)
	defer a.Close()
	session, err := a.signIn(handshakeOf(right, "192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	bySession := handshakeOf(`{"sessionId":"`+session+`"}`, "192.0.2.1")
	a.SetAccount(a.o.User, a.o.Hash)
	if _, err := a.signIn(bySession); err != nil {
		t.Errorf("nothing has changed: %v", err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("fresh"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	a.SetAccount("root", string(hash))
	for _, auth := range []string{right, `{"sessionId":"` + session + `"}`, `{"username":"admin","password":"fresh"}`} {
		if _, err := a.signIn(handshakeOf(auth, "192.0.2.2")); err != errCredentials {
			t.Errorf("%s: %v", auth, err)
		}
	}
	if _, err := a.signIn(handshakeOf(`{"username":"root","password":"fresh"}`, "192.0.2.1")); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

type known struct {
	id    string
	asked int
}

func (k *known) Save(_ context.Context, id string, _ time.Duration) error { k.id = id; return nil }
func (k *known) Has(_ context.Context, id string) (bool, error)           { k.asked++; return id == k.id, nil }

func TestSignInAtAnotherServer(t *testing.T) {
	shared := &known{id: "0123456789abcdef"}
	o := options(hub.New())
	o.Shared = shared
	a, _ := started(o, nil)
	defer a.Close()
	for range 2 * signin.MaxFailures {
		if _, err := a.signIn(handshakeOf(`{"sessionId":"0123456789abcdef"}`, "192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	shared.asked = 0
	for range 2 * signin.MaxFailures {
		if _, err := a.signIn(handshakeOf(`{"sessionId":"0123456789abcdee"}`, "192.0.2.1")); err != errCredentials {
			t.Fatal(err)
		}
	}
	if shared.asked != signin.MaxFailures {
		t.Errorf("sessions that there are not were looked up %d times, want %d", shared.asked, signin.MaxFailures)
	}
	if session, err := a.signIn(handshakeOf(right, "192.0.2.2")); err != nil || session == "" || shared.id != session {
		t.Errorf("%q, %v: want a session that others know", session, err)
	}
}

func TestFewPasswordsAreCheckedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := started(options(hub.New()), nil)
		defer a.Close()
		for range checksAtOnce {
			a.turns <- struct{}{}
		}
		gone := make(chan struct{})
		var left, many atomic.Int32
		for i := range maxWaiting + 5 {
			go func() {
				hs := handshakeOf(right, fmt.Sprintf("10.0.0.%d", i))
				hs.Gone = gone
				switch _, err := a.signIn(hs); {
				case errors.Is(err, errTooMany):
					many.Add(1)
				case errors.Is(err, errCredentials):
					left.Add(1)
				}
			}()
		}
		synctest.Wait()
		if many.Load() != 5 || left.Load() != 0 {
			t.Errorf("%d were turned away, want 5", many.Load())
		}
		close(gone)
		synctest.Wait()
		if left.Load() != maxWaiting || a.waiting.Load() != 0 {
			t.Errorf("%d have stopped waiting, want %d", left.Load(), maxWaiting)
		}
	})
}

// crowded returns a server with so many clients on "/", and a page that is connected.
func crowded(t testing.TB, most, clients int) (*Admin, *client) {
	t.Helper()
	h := hub.New()
	o := options(h)
	o.Development = false // they need not be watched
	a, _ := started(o, nil, "/")
	a.most = most
	t.Cleanup(a.Close)
	for i := range clients {
		enter(h, "/", fmt.Sprintf("socket-%013d", i))
	}
	return a, enter(h, Namespace, "page")
}

func TestListsAreBounded(t *testing.T) {
	const most = maxWhole + 100
	for _, tt := range []struct{ clients, least, most, whole int }{
		{500, 501, 501, 501}, {most - 1, most, most, 0}, {3 * most, most * 8 / 10, most, 0},
	} {
		a, page := crowded(t, most, tt.clients)
		a.list(page)
		a.list(page)
		lists := page.take()
		if len(lists) != 2 || lists[0] != lists[1] || page.deferred != 0 {
			t.Fatalf("%d clients: %d events, not twice the same list, or deliveries wait", tt.clients, len(lists))
		}
		n, whole := strings.Count(lists[0], `"nsp":`), strings.Count(lists[0], `"user-agent":`)
		if n < tt.least || n > tt.most || whole != tt.whole {
			t.Errorf("of %d clients and a page %d are listed, %d with all of it", tt.clients, n, whole)
		}
		a.o.ListBytes = 1000
		a.list(page)
		if text := page.take()[0]; len(text) > 1100 || !json.Valid([]byte(strings.TrimPrefix(text, "all_sockets "))) {
			t.Errorf("a list of 1000 bytes: %s", text)
		}
		for _, q := range []question{{}, {Sample: true}} {
			r := a.answer(q).(answer)
			text, _ := rawjson.Marshal(r)
			if r.Count != tt.clients+1 || len(text) > hub.MaxAnswerBytes || q.Sample != (len(r.Sockets) > maxSample/2) {
				t.Errorf("answer to %+v: %d sockets, %d bytes", q, len(r.Sockets), len(text))
			}
		}
	}
}

// crowdedNode is another node, with 2,000 clients.
type crowdedNode struct{ hub.Nodes }

func (crowdedNode) Ask(_ context.Context, _ string, body []byte) ([][]byte, bool) {
	if strings.Contains(string(body), "sample") {
		return [][]byte{[]byte(`{"count":2000,"sockets":[{"id":"there"}]}`)}, true
	}
	return [][]byte{[]byte(`{"count":2000}`)}, true
}

func TestListOfACrowdedCluster(t *testing.T) {
	a, page := crowded(t, 1000, 300)
	a.o.Nodes = crowdedNode{hub.Alone}
	a.list(page)
	text := page.take()[0]
	if n := strings.Count(text, `"nsp":"/"`); n < 60 || n > 220 || !strings.Contains(text, `{"id":"there"}`) { // of 300 about 130
		t.Errorf("%d sockets of this server, and of the other: %.100s", n, text)
	}
}

// BenchmarkList is what one page costs that signs in to a full server.
func BenchmarkList(b *testing.B) {
	a, page := crowded(b, MaxListed, 10*MaxListed)
	for b.Loop() {
		a.list(page)
		list := page.take()[0]
		if n := strings.Count(list, `"nsp":`); n > MaxListed || n < MaxListed*9/10 {
			b.Fatalf("%d sockets are listed", n)
		}
		b.ReportMetric(float64(len(list))/1e6, "MB")
	}
}

func TestWhatWasNotToldIsListedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New()
		a, _ := started(options(h), nil, "/")
		defer a.Close()
		page, _ := signIn(t, a, h)
		time.Sleep(listPause + beat/2) // between two beats
		synctest.Wait()
		page.take()
		var c *client
		for i := range 3 * burst * changesPerSecond {
			if i%100 == 0 {
				c = enter(h, "/", fmt.Sprintf("%020d", i))
			}
			h.Join(c.member, hub.NamespaceRoom("/", fmt.Sprint(i)))
		}
		for range 3 * burst * talkPerSecond {
			a.Sent(c, &hub.Message{Namespace: "/", Event: "e"})
		}
		time.Sleep(2 * beat)
		synctest.Wait()
		got := page.take()
		if n := len(only(got, "room_joined")); n > burst*changesPerSecond {
			t.Errorf("told of %d joins", n)
		}
		if n := len(only(got, "event_sent")); n > burst*talkPerSecond || n == 0 {
			t.Errorf("told of %d events", n)
		}
		if n := len(only(got, "all_sockets")); n != 1 {
			t.Errorf("%d lists, want one", n)
		}
		time.Sleep(10 * listPause)
		synctest.Wait()
		if n := len(only(page.take(), "all_sockets")); n != 0 {
			t.Errorf("%d more lists where nothing happened", n)
		}
	})
}

func TestShare(t *testing.T) {
	for _, n := range []int{0, MaxListed, 2 * MaxListed, 1_000_000} {
		told, share := 0, shareOf(n, MaxListed)
		for i := range 20_000 {
			if among(fmt.Sprintf("%020d", i), share) {
				told++
			}
		}
		want := 20_000 * MaxListed / max(n, MaxListed)
		if told < want*8/10 || told > want*12/10 {
			t.Errorf("of %d sockets: %d of 20000 are told of, want about %d", n, told, want)
		}
	}
}

// commands gives a page an event as it came.
func commands(a *Admin, event string, args string) {
	list, err := rawjson.Split([]byte(args), nil)
	if err == nil {
		(&page{a, &client{member: hub.NewMember("page", nil)}}).Event(&app.Event{Name: event, Args: list})
	}
}

func TestCommands(t *testing.T) {
	h := hub.New()
	o := options(h)
	o.Closed = []string{"/backend"}
	a, d := started(o, nil, "/", "/chat")
	defer a.Close()
	c := enter(h, "/", "0123456789abcdefghij")
	h.Join(c.member, hub.Room{Kind: hub.KindUser, Name: "42"})
	for _, tt := range []struct{ event, args, want string }{
		{"emit", `["/",null,"e",1,{"a":2}]`, `e [1,{"a":2}]`},
		{"emit", `["/","","e"]`, `e []`},
		{"emit", `["/","0123456789abcdefghij","e"]`, `e []`},
		{"emit", `["/","42","e"]`, `e []`},
		{"emit", `["/","43","e"]`, ``},
		{"emit", `["/",null,"disconnect"]`, ``},
		{"emit", `["/chat",null,"e"]`, ``},
		{"emit", `["/admin",null,"e"]`, ``},
		{"emit", `["/",7,"e"]`, ``},
		{"emit", `["/",null]`, ``},
		{"join", `["/","vip"]`, `join / [] ["vip"]`},
		{"join", `["/chat","vip","tea"]`, `join /chat [{"room" "tea"} {"namespace" "/chat\x00tea"}] ["vip"]`},
		{"join", `["/",""]`, ``},
		{"join", `["/"]`, ``},
		{"join", `["/admin","vip"]`, ``},
		{"leave", `["/","vip","0123456789abcdefghij"]`, `leave / [{"socket" "/\x000123456789abcdefghij"}] ["vip"]`},
		{"_disconnect", `["/",true,null]`, `disconnect / [] true`},
		{"_disconnect", `["/",1]`, `disconnect / [] false`},
		{"_disconnect", `["/admin",true]`, ``},
		{"_disconnect", `["/backend",true]`, ``},
		{"_disconnect", `[{},true]`, ``},
		{"other", `["/","x"]`, ``},
	} {
		d.done = nil
		c.take()
		commands(a, tt.event, tt.args)
		got := strings.Join(append(c.take(), d.done...), "; ")
		if got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.event, tt.args, got, tt.want)
		}
	}
	a.o.ReadOnly = true
	d.done = nil
	commands(a, "_disconnect", `["/",true]`)
	if len(d.done) > 0 {
		t.Errorf("read-only: %q", d.done)
	}
}

func FuzzCommands(f *testing.F) {
	for _, args := range []string{`["/",null,"e",1]`, `["/chat","vip","tea"]`, `["/",true]`, `[{},[],"\u0000"]`, `["/",false,"0123456789abcdefghij"]`} {
		for _, event := range []string{"emit", "join", "leave", "_disconnect"} {
			f.Add(event, args)
		}
	}
	a, d := started(options(hub.New()), nil, "/")
	f.Cleanup(a.Close)
	f.Fuzz(func(t *testing.T, event, args string) {
		commands(a, event, args)
		d.done = nil
	})
}
