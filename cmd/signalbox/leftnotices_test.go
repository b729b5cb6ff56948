package main

import (
	"encoding/json"
	"fmt"
	"io"
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

// hookBackend is a backend of /game. want wants that it is told exactly this, in any order, what comes twice under one id once. Who
// is known to be there may be told again, as two servers may tell it.
func hookBackend(t *testing.T) (url string, want func(lines ...string)) {
	told := make(chan string, 1000)
	var once sync.Map // ids: what comes twice has the same
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Events []struct {
				Type, ID, Socket, User, Room, Reason string
				Auth                                 struct{ Name string }
				Seq                                  int
				Data                                 string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		var results []string
		for _, e := range body.Events {
			if e.Type == "event" {
				results = append(results, fmt.Sprintf(`{"ack":["%d %s %s"]}`, e.Seq, e.User, e.Data))
				continue
			}
			results = append(results, fmt.Sprintf(`{"user":%q,"rooms":["tea"],"data":"kept"}`, e.Auth.Name))
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
	t.Cleanup(backend.Close)
	there := make(map[string]bool) // what was told of users and rooms last, and is so
	repeated := func(line string) bool {
		what, of, _ := strings.Cut(line, " ")
		switch what {
		case "online", "occupied":
			was := there[of]
			there[of] = true
			return was
		case "offline", "vacated":
			delete(there, of)
		}
		return false
	}
	return backend.URL, func(lines ...string) {
		t.Helper()
		late := time.After(3 * gonePatience)
		for left := slices.Clone(lines); len(left) > 0; {
			select {
			case line := <-told:
				if repeated(line) {
					continue
				}
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
}

// TestHooksOfAKilledServer: in a cluster another server tells of who was at one that was killed, once, and of users who are not back.
func TestHooksOfAKilledServer(t *testing.T) {
	t.Parallel() // it waits most of its time
	redistest.NeedReal(t)
	url, want := hookBackend(t)
	r := redistest.Start(t)
	start := func() *process {
		return startProcess(t, "REDIS_URL="+r.URL(), "JWT_SECRET="+apiTestSecret, "HOOKS_URL="+url, "HOOKS_EVENTS=/game:*",
			"HOOKS_NOTIFY=disconnect,online,offline,occupied,vacated", "HOOKS_GRACE=1s", "HANDOVER_GRACE=0s", "DRAIN_SPREAD=0s")
	}
	nodes := []*process{start(), start()}
	join := func(p *process, name string) *websocket.Conn {
		ws := p.dial(t)
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

// TestClientsOfHooksComeBackAtOtherServers: the backend hears nothing of it, goes on with the same socket, and is told once that it
// has left, by whichever server.
func TestClientsOfHooksComeBackAtOtherServers(t *testing.T) {
	t.Parallel() // it waits most of its time
	redistest.NeedReal(t)
	url, want := hookBackend(t)
	r := redistest.Start(t)
	start := func() *process {
		return startProcess(t, "REDIS_URL="+r.URL(), "JWT_SECRET="+apiTestSecret, "HOOKS_URL="+url, "HOOKS_EVENTS=/game:*", "RECOVERY=true", "API_KEY="+apiTestSecret,
			"HOOKS_NOTIFY=disconnect,online,offline,occupied,vacated", "HOOKS_GRACE=500ms", "SHUTDOWN_TIMEOUT=2s", "DRAIN_SPREAD=0s")
	}
	nodes := []*process{start(), start(), start()}
	var is struct{ Sid, Pid string }
	join := func(p *process, auth string) (ws *websocket.Conn) {
		t.Helper()
		ws = p.dial(t)
		was := is
		write(t, ws, "40/game,"+auth)
		if err := json.Unmarshal([]byte(readUntil(t, ws, "40/game,")[len("40/game,"):]), &is); err != nil {
			t.Fatal(err)
		}
		if was.Pid != "" && is != was {
			t.Fatalf("%s came back as %s", was.Sid, is.Sid)
		}
		return ws
	}
	seq := 0
	ask := func(ws *websocket.Conn) {
		t.Helper()
		for range 3 {
			seq++
			write(t, ws, fmt.Sprintf(`42/game,%d["x"]`, seq))
			if got, want := readUntil(t, ws, "43/game,"), fmt.Sprintf(`43/game,%d["%d ann kept"]`, seq, seq); got != want {
				t.Errorf("answered %s, want %s", got, want)
			}
		}
	}
	ws := join(nodes[0], `{"name":"ann","pid":"of no session at all"}`)
	want("connect ann", "online ann", "occupied tea")
	ask(ws)
	for i := range 4 {
		ws.CloseNow()
		ws = join(nodes[(i+1)%3], fmt.Sprintf(`{"pid":%q}`, is.Pid))
		ask(ws)
	}
	// It is at the second server, and in its room.
	if err := run(t.Context(), []string{"emit", "--url", nodes[2].url, "--namespace", "/game", "--room", "tea", "news"},
		env("API_KEY="+apiTestSecret), io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
	readUntil(t, ws, `42/game,["news"`)
	send(t, nodes[1], syscall.SIGTERM)
	for closed := false; !closed; { // until the server ends the connection
		_, _, err := ws.Read(t.Context())
		closed = err != nil
	}
	ws = join(nodes[2], fmt.Sprintf(`{"pid":%q}`, is.Pid))
	ask(ws)
	if err := nodes[1].cmd.Wait(); err != nil {
		t.Errorf("SIGTERM ended it with %v\n%s", err, nodes[1].log)
	}
	if err := nodes[2].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = nodes[2].cmd.Wait()
	want("disconnect ann server gone", "offline ann", "vacated tea")
}
