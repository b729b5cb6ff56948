package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/store/redis/redistest"
)

// TestHooksOfAKilledServer: in a cluster another server tells of who was at one that was killed, once, and of users who are not back.
func TestHooksOfAKilledServer(t *testing.T) {
	t.Parallel() // it waits most of its time
	redistest.NeedReal(t)
	told := make(chan string, 1000)
	var once sync.Map // ids: what comes twice has the same
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Events []struct {
				Type, ID, Socket, User, Room, Reason string
				Auth                                 struct{ Name string }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		var results []string
		for _, e := range body.Events {
			results = append(results, fmt.Sprintf(`{"user":%q,"rooms":["tea"]}`, e.Auth.Name))
			if _, again := once.LoadOrStore(e.ID, true); again {
				continue
			}
			switch e.Type {
			case "connect":
				told <- e.Type + " " + e.Auth.Name
			case "disconnect":
				told <- e.Type + " " + e.User + " " + e.Reason
			default:
				told <- e.Type + " " + e.User + e.Room
			}
		}
		fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
	}))
	defer backend.Close()
	want := func(lines ...string) {
		t.Helper()
		late := time.After(3 * gonePatience)
		for left := slices.Clone(lines); len(left) > 0; {
			select {
			case line := <-told:
				i := slices.Index(left, line)
				if i < 0 {
					t.Fatalf("the backend is told %q, want %q", line, left)
				}
				left = slices.Delete(left, i, i+1)
			case <-late:
				t.Fatalf("the backend is not told %q", left)
			}
		}
	}
	r := redistest.Start(t)
	start := func() *process {
		return startProcess(t, "REDIS_URL="+r.URL(), "JWT_SECRET="+apiTestSecret, "HOOKS_URL="+backend.URL, "HOOKS_EVENTS=/game:*",
			"HOOKS_NOTIFY=disconnect,online,offline,occupied,vacated", "HOOKS_GRACE=1s", "HANDOVER_GRACE=0s", "DRAIN_SPREAD=0s")
	}
	nodes := []*process{start(), start()}
	join := func(p *process, name string) *websocket.Conn {
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(p.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.CloseNow() })
		write(t, ws, `40/game,{"name":"`+name+`"}`)
		readUntil(t, ws, "40/game,")
		return ws
	}
	ann := join(nodes[0], "ann")
	want("connect ann", "online ann", "occupied tea")
	bob := join(nodes[1], "bob")
	want("connect bob", "online bob")
	send(t, nodes[1], syscall.SIGSTOP) // it hangs, and is taken for dead
	want("disconnect bob server gone")
	send(t, nodes[1], syscall.SIGCONT)
	for { // it finds out, and cuts who was let in, so that they come back as new
		_, data, err := bob.Read(t.Context())
		if err != nil {
			break
		}
		if strings.HasPrefix(string(data), "41") {
			t.Fatalf("bob is told to go, with %s", data)
		}
	}
	want("offline bob") // not before: it could not be asked
	join(nodes[1], "bob")
	want("connect bob", "online bob")
	if err := nodes[1].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = nodes[1].cmd.Wait()
	want("disconnect bob server gone", "offline bob")
	write(t, ann, "41/game,")
	want("disconnect ann client namespace disconnect", "offline ann", "vacated tea")

	join(nodes[0], "cat")
	want("connect cat", "online cat", "occupied tea")
	send(t, nodes[0], syscall.SIGTERM) // the last one; what it tells no other one tells again
	if err := nodes[0].cmd.Wait(); err != nil {
		t.Errorf("SIGTERM ended it with %v", err)
	}
	want("disconnect cat server shutting down")
	start()
	want("offline cat", "vacated tea")
}
