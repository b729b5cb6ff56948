package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/store/redis/redistest"
)

// gonePatience is within which time a server that ends without a word is gone from every list.
const gonePatience = 10 * time.Second

// sio is a Socket.IO client on "/", as far as these tests need one.
type sio struct {
	t     *testing.T
	ws    *websocket.Conn
	calls int
	lines chan string // what came, but for pings; closed when the connection has ended
	names []string    // of the last list of users that was read
}

// dial opens a websocket of Socket.IO, which ends with the test.
func (p *process) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(p.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return ws
}

func (p *process) sio(t *testing.T) *sio {
	t.Helper()
	ws := p.dial(t)
	c := &sio{t: t, ws: ws, lines: make(chan string, 10_000)}
	ended := make(chan struct{})
	go func() { // awaited at the end of the test
		defer close(ended)
		defer close(c.lines)
		for {
			_, data, err := ws.Read(context.Background())
			switch line := string(data); {
			case err != nil:
				return
			case line == "2":
				_ = ws.Write(context.Background(), websocket.MessageText, []byte("3")) // else the next Read fails
			default:
				c.lines <- line
			}
		}
	}()
	t.Cleanup(func() { ws.CloseNow(); <-ended })
	write(t, ws, "40")
	c.want("40{", patience)
	return c
}

// patience is how long a test waits for what should come at once.
const patience = 10 * time.Second

// want returns the next message with a beginning; those before it are skipped.
func (c *sio) want(prefix string, within time.Duration) string {
	c.t.Helper()
	late := time.After(within)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the connection ended before %s", prefix)
			}
			c.note(line)
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-late:
			c.t.Fatalf("no message %s within %v", prefix, within)
		}
	}
}

const listPrefix = `42["users",`

// note reads a list of users.
func (c *sio) note(line string) {
	c.t.Helper()
	if !strings.HasPrefix(line, listPrefix) {
		return
	}
	var args []json.RawMessage // with RECOVERY the last is the offset
	var users []struct{ Name string }
	if err := json.Unmarshal([]byte(line[2:]), &args); err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(args[1], &users); err != nil {
		c.t.Fatal(err)
	}
	c.names = nil
	for _, u := range users {
		c.names = append(c.names, u.Name)
	}
	slices.Sort(c.names)
}

// ask sends an event and returns the answer. What comes before it is skipped.
func (c *sio) ask(event string, args ...any) string {
	c.t.Helper()
	c.calls++
	packet, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		c.t.Fatal(err)
	}
	write(c.t, c.ws, fmt.Sprintf("42%d%s", c.calls, packet))
	id := fmt.Sprintf("43%d[", c.calls)
	return strings.TrimPrefix(c.want(id, patience), id)
}

func (c *sio) join(user int) {
	c.t.Helper()
	write(c.t, c.ws, fmt.Sprintf(`42["join",{"senderUserId":%d,"recipientUserId":-1}]`, user))
}

func (c *sio) login(name, room string) {
	c.t.Helper()
	if got := c.ask("login", map[string]string{"name": name, "room": room}); strings.Contains(got, "error") {
		c.t.Fatalf("login of %s: %s", name, got)
	}
}

// users waits until the last list has exactly these names.
func (c *sio) users(within time.Duration, names ...string) {
	c.t.Helper()
	for deadline := time.Now().Add(within); !slices.Equal(c.names, names); {
		c.want(listPrefix, time.Until(deadline))
	}
}

// until asks until the answer is as wanted: servers need a moment to know who is where.
func (c *sio) until(want, event string, args ...any) {
	c.t.Helper()
	var got string
	for deadline := time.Now().Add(gonePatience); time.Now().Before(deadline); {
		if got = c.ask(event, args...); got == want {
			return
		}
	}
	c.t.Fatalf("%s is answered with %s, want %s", event, got, want)
}

// startCluster starts three servers at one Redis.
func startCluster(t *testing.T, settings ...string) (*redistest.Server, []*process) {
	t.Helper()
	redistest.NeedReal(t)
	r := redistest.Start(t)
	return r, startNodes(t, r.URL(), settings...)
}

// startNodes starts three servers on a Redis.
func startNodes(t *testing.T, url string, settings ...string) (nodes []*process) {
	settings = append([]string{"REDIS_URL=" + url, "JWT_SECRET=" + apiTestSecret, "LOG_FORMAT=json"}, settings...)
	for range 3 {
		nodes = append(nodes, startProcess(t, settings...))
	}
	return nodes
}

func to(user int) map[string]any { return map[string]any{"recipientUserId": user, "n": user} }

// TestClusterOfServers has people on three servers, of which one is stopped for a while, one is killed and one is told to
// stop, and Redis goes and comes back.
func TestClusterOfServers(t *testing.T) {
	t.Parallel() // it waits most of its time
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	r, nodes := startCluster(t, "HANDOVER_GRACE=4s", "SHUTDOWN_TIMEOUT=3s")
	a, b, c := nodes[0].sio(t), nodes[1].sio(t), nodes[2].sio(t)
	names := []string{"ann", "bob", "cid"}
	for i, client := range []*sio{a, b, c} {
		client.join(i + 1)
		client.login(names[i], "lobby")
	}
	for _, client := range []*sio{a, b, c} {
		client.users(patience, names...)
	}
	const reached, reachedNobody = `{"ok":true,"delivered":1}]`, `{"ok":true,"delivered":0}]`

	t.Run("events, counts and history reach everybody", func(t *testing.T) {
		for _, from := range []*sio{a, b, c} {
			for i, target := range []*sio{a, b, c} {
				if got := from.ask("hello", to(i+1)); got != reached && from != target {
					t.Errorf("to user %d: %s", i+1, got)
				}
			}
			if got := from.ask("hello", to(99)); !strings.Contains(got, `"delivered":0`) && !strings.Contains(got, `"ok":false`) {
				t.Errorf("to nobody: %s", got)
			}
		}
		ws, _ := nodes[0].chat(t, "team")
		write(t, ws, `42/chat,2["message",{"roomId":"team","content":"said on a"}]`)
		readUntil(t, ws, `43/chat,2[{"ok":true}]`)
		if _, history := nodes[2].chat(t, "team"); !strings.Contains(history, "said on a") {
			t.Errorf("history on another server = %s", history)
		}
	})

	t.Run("a server that hangs", func(t *testing.T) {
		send(t, nodes[1], syscall.SIGSTOP)
		defer send(t, nodes[1], syscall.SIGCONT)
		a.users(gonePatience, "ann", "cid")
		begin := time.Now()
		a.ask("hello", to(2)) // may be partial
		if got := a.ask("hello", to(3)); !strings.HasPrefix(got, `{"ok":true,"delivered":1`) || time.Since(begin) > 3*time.Second {
			t.Errorf("while one hangs: %s after %v", got, time.Since(begin))
		}
		send(t, nodes[1], syscall.SIGCONT)
		a.users(gonePatience, names...)
		b.users(gonePatience, names...)
		a.until(reached, "hello", to(2))
		b.until(reached, "hello", to(3))
	})

	t.Run("Redis goes and comes back empty", func(t *testing.T) {
		r.Stop()
		awaitStatus(t, nodes, 503)
		if _, metrics := get(t, nodes[0].url+"/metrics"); !strings.Contains(metrics, "\nsignalbox_ready 0\n") || !strings.Contains(metrics, "\nsignalbox_redis_up 0\n") {
			t.Error("/metrics does not show that Redis is away")
		}
		if got := a.ask("hello", to(2)); !strings.Contains(got, `"partial":true`) {
			t.Errorf("without Redis: %s", got)
		}
		if got := a.ask("hello", to(1)); !strings.Contains(got, `"delivered":1,"partial":true`) {
			t.Errorf("to oneself without Redis: %s", got)
		}
		late := nodes[0].sio(t)
		late.login("dan", "lobby")
		r.Start()
		awaitStatus(t, nodes, 200)
		for _, client := range []*sio{a, b, c} {
			client.users(gonePatience, "ann", "bob", "cid", "dan")
		}
		late.ws.CloseNow()
		for _, client := range []*sio{a, b, c} {
			client.users(patience, names...)
		}
		a.until(reached, "hello", to(2))
		c.until(reached, "hello", to(1))
	})

	t.Run("a server that is killed", func(t *testing.T) {
		if err := nodes[2].cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = nodes[2].cmd.Wait() // it was killed
		a.want(`42["notification",{"title":"Someone just left","description":"cid just left the room"`, gonePatience)
		a.users(gonePatience, "ann", "bob")
		b.users(gonePatience, "ann", "bob")
		a.until(reachedNobody, "hello", to(3))
		a.until(reached, "hello", to(2))
	})

	t.Run("a server that is told to stop", func(t *testing.T) {
		send(t, nodes[1], syscall.SIGTERM)
		for line := range b.lines { // until the server ends the connection
			if strings.Contains(line, "just left") {
				t.Errorf("one who is handed over is told %s", line)
			}
		}
		begin := time.Now()
		back := nodes[0].sio(t)
		back.login("bob", "lobby")
		back.users(patience, "ann", "bob")
		if err := nodes[1].cmd.Wait(); err != nil {
			t.Errorf("SIGTERM ended it with %v, want 0\n%s", err, nodes[1].log)
		}
		// Until the grace is over, and some time beyond, nobody is told anything.
		quiet := time.After(time.Until(begin.Add(6 * time.Second)))
		for over := false; !over; {
			select {
			case line := <-a.lines:
				a.note(line)
				if strings.Contains(line, "just left") || strings.Contains(line, "just entered") || strings.HasPrefix(line, `42["users"`) && !strings.Contains(line, "bob") {
					t.Errorf("of one who came back within the grace, ann is told %s", line)
				}
			case <-quiet:
				over = true
			}
		}
	})

	send(t, nodes[0], syscall.SIGTERM)
	if err := nodes[0].cmd.Wait(); err != nil {
		t.Errorf("SIGTERM ended the last one with %v, want 0", err)
	}
	if log := nodes[0].log.String(); strings.Contains(log, "panic") {
		t.Errorf("a panic in the log:\n%s", log)
	}
}

// TestClusterStopsWithoutRedis has servers stop in time whether Redis was never there, or has gone.
func TestClusterStopsWithoutRedis(t *testing.T) {
	t.Parallel()
	redistest.NeedReal(t)
	r := redistest.Start(t)
	stopped := redistest.Start(t)
	stopped.Stop()
	there, never := startProcess(t, "REDIS_URL="+r.URL()), startProcess(t, "REDIS_URL="+stopped.URL())
	if status, body := get(t, never.url+"/readyz"); status != 503 || !strings.Contains(body, "redis is away") {
		t.Errorf("/readyz without Redis = %d %q", status, body)
	}
	for _, p := range []*process{there, never} {
		c := p.sio(t)
		c.join(1)
		c.login("ann", "lobby")
		c.users(patience, "ann")
	}
	r.Stop()
	awaitStatus(t, []*process{there}, 503)
	for _, p := range []*process{there, never} {
		begin := time.Now()
		send(t, p, syscall.SIGTERM)
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("SIGTERM ended it with %v, want 0\n%s", err, p.log)
		}
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("it took %v to end", took)
		}
	}
}

// TestRunInACluster serves in this process, twice: whatever the first has started must have ended.
func TestRunInACluster(t *testing.T) {
	url := redistest.Start(t).URL()
	for range 2 {
		ctx, stop := context.WithCancel(t.Context())
		stdout, in := io.Pipe()
		done := make(chan error, 1)
		go func() { // awaited below
			done <- run(ctx, nil, env("PORT=0", "HOST=127.0.0.1", "REDIS_URL="+url), in, io.Discard)
			in.Close()
		}()
		served := readURL(t, stdout)
		go io.Copy(io.Discard, stdout) // ends when run has ended
		if status, body := get(t, served+"/readyz"); status != 200 {
			t.Errorf("/readyz = %d %q", status, body)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("run = %v, want nil", err)
		}
	}
}

func send(t *testing.T, p *process, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// awaitStatus waits until /readyz of servers answers with a status.
func awaitStatus(t *testing.T, nodes []*process, want int) {
	t.Helper()
	for _, p := range nodes {
		for deadline := time.Now().Add(patience); ; {
			status, body := get(t, p.url+"/readyz")
			if status == want {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("/readyz = %d %q, want %d", status, body, want)
			}
		}
	}
}
