package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/config"
	"signalbox/handlers/router"
)

// TestHooks runs the program with a backend: it lets clients in, handles their events, also by calling the API meanwhile, and
// hears of each one's end once, also of those that were there when the program was killed.
func TestHooks(t *testing.T) {
	var mu sync.Mutex
	url := ""
	left := make(map[string][]string) // by socket
	admitted := make(map[string]bool)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Events []map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		var results []string
		for _, e := range body.Events {
			result := `{}`
			switch e["type"] {
			case "connect":
				mu.Lock()
				admitted[e["socket"].(string)] = true
				mu.Unlock()
				result = `{"user":"7","rooms":["lobby"]}`
			case "event":
				mu.Lock()
				api := url + "/api/emit"
				mu.Unlock()
				req, _ := http.NewRequest("POST", api, strings.NewReader(fmt.Sprintf(`{"namespace":"/game","rooms":[%q],"event":"meanwhile"}`, e["socket"])))
				req.Header.Set("X-API-Key", "a key of 32 bytes for the API....")
				if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != 200 {
					t.Errorf("the API from within a hook: %v, %v", res, err)
				} else {
					res.Body.Close()
				}
				result = `{"ack":["done"],"emit":[{"to":["lobby"],"event":"moved","args":["e4"]}]}`
			case "disconnect":
				mu.Lock()
				left[e["socket"].(string)] = append(left[e["socket"].(string)], fmt.Sprint(e["id"], " ", e["user"], " ", e["reason"]))
				mu.Unlock()
			}
			results = append(results, result)
		}
		fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
	}))
	defer backend.Close()
	settings := []string{"HOOKS_URL=" + backend.URL, "HOOKS_EVENTS=/game:*", "HOOKS_NOTIFY=disconnect",
		"HOOKS_DB=" + filepath.Join(t.TempDir(), "hooks.db"), "JWT_SECRET=" + apiTestSecret, "API_KEY=a key of 32 bytes for the API...."}
	p := startProcess(t, settings...)
	mu.Lock()
	url = p.url
	mu.Unlock()
	join := func() *websocket.Conn {
		ws := p.dial(t)
		write(t, ws, "40/game,")
		readUntil(t, ws, "40/game,")
		return ws
	}
	ann, bob := join(), join()
	write(t, ann, `42/game,1["move"]`)
	readUntil(t, ann, `42/game,["meanwhile"]`)
	readUntil(t, ann, `43/game,1["done"]`)
	readUntil(t, bob, `42/game,["moved","e4"]`)
	write(t, bob, "41/game,")
	for told := 0; told == 0; time.Sleep(time.Millisecond) { // that bob has left; the test's own deadline bounds it
		mu.Lock()
		told = len(left)
		mu.Unlock()
	}
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	p = startProcess(t, settings...)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		got, all := fmt.Sprint(left), len(left) == 2 && len(admitted) == 2
		mu.Unlock()
		if all {
			for _, reason := range []string{"7 client namespace disconnect", "7 server gone"} {
				if !strings.Contains(got, reason) {
					t.Errorf("told %s, want %q in it", got, reason)
				}
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("told %s, want one disconnect for each of %v", got, admitted)
		}
	}
}

// TestWorkers runs the program with a worker, which lets a client in, calls the API while it has an event, and hears after a
// crash of the server that the client is gone. With RECOVERY it is no client that comes back.
func TestWorkers(t *testing.T) {
	key := strings.Repeat("k", 32)
	settings := []string{"WORKER_KEY=" + key, "WORKER_EVENTS=/game:*", "HOOKS_NOTIFY=disconnect", "RECOVERY=true",
		"HOOKS_DB=" + filepath.Join(t.TempDir(), "hooks.db"), "JWT_SECRET=" + apiTestSecret}
	p := startProcess(t, settings...)
	work := func() *websocket.Conn {
		ws := p.dial(t)
		write(t, ws, `40/backend,{"key":"`+key+`"}`)
		if got := readUntil(t, ws, "40/backend,"); strings.Contains(got, "pid") {
			t.Errorf("a worker may come back as who it was: %s", got)
		}
		write(t, ws, `42/backend,1["handle",{"events":["/game:*"]}]`)
		readUntil(t, ws, `43/backend,1[{"ok":true}]`)
		return ws
	}
	asked := func(ws *websocket.Conn, kind string) (id, packet string) {
		packet = readUntil(t, ws, "42/backend,")
		id, _, _ = strings.Cut(strings.TrimPrefix(packet, "42/backend,"), "[")
		if !strings.Contains(packet, `["events",{"events":[{"type":"`+kind+`"`) {
			t.Fatalf("told %s, want %s", packet, kind)
		}
		return id, packet
	}
	worker, client := work(), p.dial(t)
	write(t, client, "40/game,")
	id, _ := asked(worker, "connect")
	write(t, worker, `43/backend,`+id+`[{"results":[{"user":"7"}]}]`)
	readUntil(t, client, "40/game,")
	write(t, client, `42/game,1["move"]`)
	id, _ = asked(worker, "event")
	write(t, worker, `42/backend,2["emit",{"namespace":"/game","event":"meanwhile","idempotencyKey":"k"}]`)
	readUntil(t, worker, `43/backend,2[{"ok":true,"delivered":1}]`)
	readUntil(t, client, `42/game,["meanwhile"`)
	write(t, worker, `43/backend,`+id+`[{"results":[{"ack":["done"]}]}]`)
	readUntil(t, client, `43/game,1["done"]`)
	write(t, p.dial(t), "40/game,")
	asked(worker, "connect") // behind what is kept of the first client, in the file
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	p = startProcess(t, settings...)
	worker = work()
	for told := false; !told; { // the other one may be told before
		id, packet := asked(worker, "disconnect")
		told = strings.Contains(packet, `"user":"7","reason":"server gone"`)
		write(t, worker, `43/backend,`+id+`[{"results":[`+strings.TrimSuffix(strings.Repeat("{},", strings.Count(packet, `"type"`)), ",")+`]}]`)
	}
}

// TestBackendsAway makes what the alerts SignalboxNoWorkers and SignalboxHooksAway go by: nobody is behind /backend, and nothing
// listens at HOOKS_URL.
func TestBackendsAway(t *testing.T) {
	key := strings.Repeat("k", 32)
	p := startProcess(t, "WORKER_KEY="+key, "WORKER_EVENTS=/work:*", "HOOKS_URL=http://127.0.0.1:1/", "HOOKS_EVENTS=/game:*", "JWT_SECRET="+apiTestSecret)
	shown := func(lines ...string) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			_, body := get(t, p.url+"/metrics")
			missing := ""
			for _, line := range lines {
				if !strings.Contains(body, "\n"+line+"\n") {
					missing = line
				}
			}
			if missing == "" {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("/metrics never says %s", missing)
			}
		}
	}
	shown("signalbox_workers 0", "signalbox_workers_elsewhere 0", "signalbox_hooks_breaker_open 0")
	for _, connect := range []string{`40/backend,{"key":"` + key + `"}`, "40/game,", "40/game,", "40/game,", "40/game,", "40/game,"} {
		ws := p.dial(t)
		write(t, ws, connect)
	}
	shown("signalbox_workers 1", "signalbox_hooks_breaker_open 1")
}

// TestTermsOfBackends holds which setting means what.
func TestTermsOfBackends(t *testing.T) {
	cfg, err := config.Load(env("HOOKS_TIMEOUT=1s", "HOOKS_CONNECT_WAIT=2s", "HOOKS_DOWN=admit", "HOOKS_RETRY=pay, order", "HOOKS_HEADERS=cookie"))
	if err != nil {
		t.Fatal(err)
	}
	want := router.OutsideOptions{
		Timeout: time.Second, ConnectWait: 2 * time.Second, Admit: true, Retry: []string{"pay", "order"}, Headers: []string{"cookie"},
	}
	if got := terms(cfg); !reflect.DeepEqual(got, want) {
		t.Errorf("terms %+v, want %+v", got, want)
	}
}
