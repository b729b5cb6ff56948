package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
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
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(p.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.CloseNow() })
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
