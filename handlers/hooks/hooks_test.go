package hooks

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	secret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// request is what a backend was sent.
type request struct {
	ID     string
	Events []map[string]any
}

// backend is an application behind a URL: it answers what its function says.
type backend struct {
	t      testing.TB
	web    *httptest.Server
	answer func(w http.ResponseWriter, r request)

	mu   sync.Mutex
	seen []request
}

func newBackend(t testing.TB, answer func(w http.ResponseWriter, r request)) *backend {
	b := &backend{t: t, answer: answer}
	b.web = httptest.NewServer(b)
	t.Cleanup(b.web.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); !slices.Contains(strings.Fields(r.Header.Get("webhook-signature")), want) {
		b.t.Errorf("signature %q, want %q among them", r.Header.Get("webhook-signature"), want)
	}
	req := request{ID: id}
	if err := json.Unmarshal(body, &req); err != nil {
		b.t.Errorf("body %s: %v", body, err)
	}
	b.mu.Lock()
	b.seen = append(b.seen, req)
	b.mu.Unlock()
	b.answer(w, req)
}

func (b *backend) requests() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// same answers each event of a request with one result.
func same(w http.ResponseWriter, r request, result string) {
	fmt.Fprintf(w, `{"results":[%s]}`, strings.TrimSuffix(strings.Repeat(result+",", len(r.Events)), ","))
}

// serve serves hooks for a backend. The namespaces are /game and whatever begins with /shop-.
func serve(t testing.TB, o Options, made ...func(*socketio.Server)) (string, *Hooks, *hub.Hub) {
	t.Helper()
	keys, err := ParseKeys(secret + " whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	o.Keys, o.Log = keys, quiet
	h := hub.New()
	r := router.New(router.Options{Hub: h, Log: quiet})
	hooks := New(o)
	patterns, err := router.ParsePatterns("/game:*,/shop-*:*")
	if err != nil {
		t.Fatal(err)
	}
	r.Route(router.RankHook, hooks, patterns...)
	url := testkit.Serve(t, h, func(cfg *socketio.Config) { cfg.Others = r.Others }, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r.Close(ctx)
		hooks.Close(ctx)
	}, made...)
	return url, hooks, h
}

func TestEventGoesToTheBackend(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r request) {
		if r.Events[0]["type"] == "connect" {
			same(w, r, `{"user":"42","data":{"n":1}}`)
			return
		}
		same(w, r, `{"ack":[{"ok":1}],"emit":[{"to":"*","event":"moved","args":["e4"]}]}`)
	})
	url, _, _ := serve(t, Options{URL: b.web.URL, OutsideOptions: router.OutsideOptions{Headers: []string{"host"}}})
	c := testkit.Dial(t, url)
	sid := c.Join("/game", `{"token":"t","pid":"secret","offset":"1"}`)
	c.Send(`42/game,7["move","e4",[1.50]]`)
	c.Want(`42/game,["moved","e4"]`, `43/game,7[{"ok":1}]`)
	c.Send(`451-/game,8["pic",{"_placeholder":true,"num":0}]`)
	c.SendBinary([]byte{1, 2})
	c.Want(`42/game,["moved","e4"]`, `43/game,8[{"ok":1}]`)

	seen := b.requests()
	if len(seen) != 3 {
		t.Fatalf("%d requests, want 3", len(seen))
	}
	connect := seen[0].Events[0]
	if connect["auth"].(map[string]any)["pid"] != nil || connect["auth"].(map[string]any)["token"] != "t" ||
		connect["query"].(map[string]any)["lang"] != "de" || connect["query"].(map[string]any)["EIO"] != nil ||
		connect["headers"].(map[string]any)["host"] == nil || connect["ip"] == "" {
		t.Errorf("connect: %v", connect)
	}
	event := seen[1].Events[0]
	for name, want := range map[string]any{"type": "event", "ns": "/game", "socket": sid, "user": "42", "seq": 1.0, "event": "move", "ack": true, "id": seen[1].ID} {
		if event[name] != want {
			t.Errorf("%s = %v, want %v", name, event[name], want)
		}
	}
	if pic := seen[2].Events[0]; pic["attachments"].([]any)[0] != "AQI=" || pic["seq"] != 2.0 {
		t.Errorf("binary event: %v", pic)
	}
}

// TestAnswersThatCannotBe: an event's callback hears "unavailable", and nothing of such an answer is carried out.
func TestAnswersThatCannotBe(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("a redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	answers := map[string]func(w http.ResponseWriter, r request){
		"no JSON":      func(w http.ResponseWriter, _ request) { io.WriteString(w, "<html>") },
		"too few":      func(w http.ResponseWriter, _ request) { io.WriteString(w, `{"results":[]}`) },
		"an array":     func(w http.ResponseWriter, _ request) { io.WriteString(w, `{"results":[[]]}`) },
		"a bad emit":   func(w http.ResponseWriter, r request) { same(w, r, `{"emit":[{"event":"disconnect"}]}`) },
		"no such byte": func(w http.ResponseWriter, r request) { same(w, r, `{"ack":[{"_placeholder":true,"num":0}]}`) },
		"big data":     func(w http.ResponseWriter, r request) { same(w, r, `{"data":"`+strings.Repeat("x", 17<<10)+`"}`) },
		"500":          func(w http.ResponseWriter, _ request) { w.WriteHeader(500) },
		"404":          func(w http.ResponseWriter, _ request) { w.WriteHeader(404) },
		"a redirect": func(w http.ResponseWriter, _ request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(307)
		},
		"endless": func(w http.ResponseWriter, _ request) {
			for _, err := io.WriteString(w, `{"results":[{"ack":["`); err == nil; {
				_, err = w.Write(make([]byte, 64<<10))
			}
		},
	}
	b := newBackend(t, nil)
	b.answer = func(w http.ResponseWriter, r request) {
		if answer := answers[fmt.Sprint(r.Events[0]["event"])]; answer != nil {
			answer(w, r)
			return
		}
		same(w, r, `{}`)
	}
	url, h, _ := serve(t, Options{URL: b.web.URL})
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	for name := range answers {
		c.Send(fmt.Sprintf(`42/game,1[%q]`, name), `42/game,2["fine"]`)
		c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`, `43/game,2[]`)
	}
	if s := h.Stats(); s.Wrong != 4 || s.Failures != 6 {
		t.Errorf("stats %+v, want 4 wrong and 6 failures", s)
	}
}

// TestRetriedEventKeepsItsID: and only events that are named are sent again.
func TestRetriedEventKeepsItsID(t *testing.T) {
	b := newBackend(t, nil)
	failed := make(map[any]bool)
	b.answer = func(w http.ResponseWriter, r request) {
		name := r.Events[0]["event"]
		b.mu.Lock()
		first := name != nil && !failed[name]
		failed[name] = true
		b.mu.Unlock()
		if first {
			w.WriteHeader(503)
			return
		}
		same(w, r, `{"ack":["done"]}`)
	}
	url, _, _ := serve(t, Options{URL: b.web.URL, OutsideOptions: router.OutsideOptions{Retry: []string{"pay"}}})
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	c.Send(`42/game,1["pay"]`, `42/game,2["say"]`)
	c.Want(`43/game,1["done"]`, `43/game,2[{"ok":false,"error":"unavailable"}]`)
	seen := b.requests()
	if len(seen) != 4 || seen[1].ID != seen[2].ID || seen[1].ID != seen[1].Events[0]["id"] {
		t.Errorf("requests %v, want connect, the same twice, and one more", seen)
	}
}

// TestNumbersWhileTheBackendIsAway: events that it was not sent leave no gap.
func TestNumbersWhileTheBackendIsAway(t *testing.T) {
	b := newBackend(t, nil)
	b.answer = func(w http.ResponseWriter, r request) {
		if r.Events[0]["type"] == "connect" {
			same(w, r, `{}`)
			return
		}
		same(w, r, fmt.Sprintf(`{"ack":[%v]}`, r.Events[0]["seq"]))
	}
	url, h, _ := serve(t, Options{URL: b.web.URL})
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	c.Send(`42/game,1["x"]`)
	c.Want(`43/game,1[1]`)
	h.SetTarget("http://127.0.0.1:1/", mustKeys(t))
	for range 3 {
		c.Send(`42/game,2["x"]`)
		c.Want(`43/game,2[{"ok":false,"error":"unavailable"}]`)
	}
	h.SetTarget(b.web.URL, mustKeys(t))
	c.Send(`42/game,3["x"]`)
	c.Want(`43/game,3[2]`)
}

// TestConnectWhileTheBackendIsAway: the client waits, and comes in when the backend is there; one that waited too long is cut
// without an answer.
func TestConnectWhileTheBackendIsAway(t *testing.T) {
	b := newBackend(t, nil)
	away := 2
	b.answer = func(w http.ResponseWriter, r request) {
		b.mu.Lock()
		away--
		down := away >= 0
		b.mu.Unlock()
		if down {
			w.WriteHeader(503)
			return
		}
		same(w, r, `{"refuse":{"message":"full","data":{"free":0}}}`)
	}
	url, _, _ := serve(t, Options{URL: b.web.URL, OutsideOptions: router.OutsideOptions{ConnectWait: patience}})
	c := testkit.Dial(t, url)
	c.Send("40/game,")
	c.Want(`44/game,{"data":{"free":0},"message":"full"}`)
	if ids := b.requests(); len(ids) != 3 || ids[0].ID != ids[2].ID {
		t.Errorf("requests %v, want three with one id", ids)
	}
	url, _, _ = serve(t, Options{URL: "http://127.0.0.1:1/",
		OutsideOptions: router.OutsideOptions{ConnectWait: 200 * time.Millisecond}})
	c = testkit.Dial(t, url)
	c.Send("40/game,")
	if got, err := c.TryRead(); err == nil {
		t.Errorf("read %q, want the end of the connection", got)
	}
}

func TestAdmitWhileTheBackendIsAway(t *testing.T) {
	b := newBackend(t, nil)
	var down sync.Mutex
	up := false
	told := make(chan any, 10)
	b.answer = func(w http.ResponseWriter, r request) {
		down.Lock()
		defer down.Unlock()
		if !up {
			w.WriteHeader(503)
			return
		}
		for _, e := range r.Events {
			told <- e["type"]
		}
		same(w, r, `{}`)
	}
	url, _, _ := serve(t, Options{URL: b.web.URL, OutsideOptions: router.OutsideOptions{
		ConnectWait: 100 * time.Millisecond, Admit: true, Notices: router.NewNotices(router.NoticeOptions{Log: quiet})}})
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	c.Cut()
	down.Lock()
	up = true
	down.Unlock()
	if first, second := <-told, <-told; first != "connect" || second != "disconnect" {
		t.Errorf("told %v and %v, want connect and then disconnect", first, second)
	}
}

// TestHookMayCallBack: what the backend does through the API while it handles an event does not wait for that event.
func TestHookMayCallBack(t *testing.T) {
	var h *hub.Hub
	b := newBackend(t, func(w http.ResponseWriter, r request) {
		e := r.Events[0]
		if e["type"] == "event" {
			sid := e["socket"].(string)
			h.SendSelectionHere(hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/game", sid)}},
				&hub.Message{Namespace: "/game", Event: "meanwhile"})
			for _, m := range h.Members(hub.SocketRoom("/game", sid)) {
				m.Sink().(app.Peer).Disconnect(false)
			}
		}
		same(w, r, `{"ack":["late"]}`)
	})
	var url string
	url, _, h = serve(t, Options{URL: b.web.URL})
	c := testkit.Dial(t, url)
	c.Join("/game", "")
	c.Send(`42/game,1["x"]`)
	c.Want(`42/game,["meanwhile"]`, "41/game,")
}

func TestSecretsThatCannotBe(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, 24))
	for _, bad := range []string{"", "plain", "whsec_", "whsec_???", "whsec_AAAA", "whsec_" + good + " whsec_" + good + " whsec_" + good} {
		if _, err := ParseKeys(bad); err == nil {
			t.Errorf("%q was taken", bad)
		} else if bad != "" && strings.Contains(err.Error(), good) {
			t.Errorf("the error %q shows the secret", err)
		}
	}
	// A signature that the standard's own libraries give as an example.
	keys, err := ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := keys.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
}
