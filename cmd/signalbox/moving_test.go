package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/store/redis/redistest"
)

// roamer is a client with recovery that goes from server to server.
type roamer struct {
	t        *testing.T
	ws       *websocket.Conn
	sid, pid string
	offset   string
	next     map[int]int // by sender: the number that comes next
	got      int
	lists    int
}

// come connects to a server, and reports whether that knew it. What it missed is read on the way.
func (r *roamer) come(p *process) (recovered bool) {
	r.t.Helper()
	if r.ws != nil {
		r.ws.CloseNow()
	}
	ws := p.dial(r.t)
	r.ws = ws
	payload := ""
	if r.pid != "" {
		auth := map[string]string{"pid": r.pid}
		if r.offset != "" {
			auth["offset"] = r.offset
		}
		b, _ := json.Marshal(auth)
		payload = string(b)
	}
	write(r.t, ws, "40"+payload)
	for {
		line := r.read()
		if !strings.HasPrefix(line, "40{") {
			continue
		}
		var is struct{ Sid, Pid string }
		if err := json.Unmarshal([]byte(line[2:]), &is); err != nil {
			r.t.Fatal(err)
		}
		recovered = is.Pid == r.pid
		if recovered && is.Sid != r.sid {
			r.t.Errorf("recovered as %s, was %s", is.Sid, r.sid)
		}
		r.sid, r.pid = is.Sid, is.Pid
		return recovered
	}
}

// read reads one packet and looks at the numbers in it.
func (r *roamer) read() string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	_, data, err := r.ws.Read(ctx)
	if err != nil {
		r.t.Fatalf("%v, after %d numbers", err, r.got)
	}
	return r.seen(string(data))
}

// seen looks at one packet.
func (r *roamer) seen(line string) string {
	r.t.Helper()
	if line == "2" {
		write(r.t, r.ws, "3")
	}
	event, is := strings.CutPrefix(line, "42")
	var args []json.RawMessage
	if !is || json.Unmarshal([]byte(event), &args) != nil {
		return line
	}
	_ = json.Unmarshal(args[len(args)-1], &r.offset)
	switch string(args[0]) {
	case `"n"`:
		var at struct{ From, N int }
		if err := json.Unmarshal(args[1], &at); err != nil {
			r.t.Fatal(err)
		}
		if want := r.next[at.From]; at.N != want {
			r.t.Errorf("%d of sender %d came where %d was due", at.N, at.From, want)
		}
		r.next[at.From] = at.N + 1
		r.got++
	case `"users"`:
		r.lists++
	}
	return line
}

// listen reads so many numbers.
func (r *roamer) listen(n int) {
	r.t.Helper()
	for until := r.got + n; r.got < until; {
		r.read()
	}
}

// sending has a client on each server send numbers to user 7, until stop is called, which returns how many each has sent.
func sending(t *testing.T, nodes []*process, pause time.Duration) (stop func() []int) {
	t.Helper()
	sent := make([]atomic.Int64, len(nodes))
	over, ended := make(chan struct{}), make(chan struct{}, len(nodes))
	for i, node := range nodes {
		c := node.sio(t)
		go func() { // awaited by stop
			defer func() { ended <- struct{}{} }()
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				case <-time.After(pause):
				}
				text := fmt.Sprintf(`42["n",{"recipientUserId":7,"from":%d,"n":%d}]`, i, n)
				if c.ws.Write(context.Background(), websocket.MessageText, []byte(text)) != nil {
					return
				}
				sent[i].Add(1)
			}
		}()
	}
	return func() []int {
		close(over)
		numbers := make([]int, len(nodes))
		for range nodes {
			<-ended
		}
		for i := range sent {
			numbers[i] = int(sent[i].Load())
		}
		return numbers
	}
}

// TestClientsComeBackAtOtherServers has a client go from server to server while people on all of them send to it.
func TestClientsComeBackAtOtherServers(t *testing.T) {
	redistest.NeedReal(t)
	for name, url := range map[string]func(t *testing.T) string{
		"classic": func(t *testing.T) string { return redistest.Start(t).URL() },
		"sharded": func(t *testing.T) string { return redistest.Start(t).URL() },
		// Each channel has a mark of its own: they come over several connections.
		"sharded redis cluster": func(t *testing.T) string { return redistest.StartCluster(t, 3, false).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mode, _, _ := strings.Cut(name, " ")
			nodes := startNodes(t, url(t), "RECOVERY=true", "REDIS_MODE="+mode, "LOG_LEVEL=debug")
			bob := nodes[2].sio(t)
			bob.login("bob", "tea")
			r := &roamer{t: t, next: make(map[int]int)}
			r.come(nodes[0])
			write(t, r.ws, `421["join",{"senderUserId":7}]`, `422["login",{"name":"ann","room":"tea"}]`)
			for r.read() != `431[{"ok":true}]` {
			}
			for !strings.HasPrefix(r.read(), "432[") {
			}
			bob.users(patience, "ann", "bob")
			stop := sending(t, nodes, time.Millisecond)
			for i := range 30 {
				if !r.come(nodes[(i+1)%3]) {
					t.Fatalf("not recovered, the %dth time: %s", i, reasons(nodes))
				}
				r.listen(1 + i%5*10)
			}
			sent := stop()
			for _, n := range sent {
				for r.next[0] < sent[0] || r.next[1] < sent[1] || r.next[2] < sent[2] {
					r.read()
				}
				if n < 10 {
					t.Errorf("only %d were sent", n)
				}
			}
			write(t, r.ws, `423["time"]`)
			r.read()
			bob.ask("hello", to(7))
			for len(bob.lines) > 0 {
				line := <-bob.lines
				if strings.Contains(line, "just left") || strings.Contains(line, "just entered") && strings.Contains(line, "ann") {
					t.Errorf("bob was told %s", line)
				}
				bob.note(line)
			}
			bob.users(patience, "ann", "bob")
		})
	}
}

// TestRollingRestart stops one server after the other, under load: their clients go on elsewhere.
func TestRollingRestart(t *testing.T) {
	t.Parallel() // it waits most of its time
	_, nodes := startCluster(t, "RECOVERY=true", "SHUTDOWN_TIMEOUT=2s", "DRAIN_SPREAD=100ms")
	r := &roamer{t: t, next: make(map[int]int)}
	r.come(nodes[0])
	write(t, r.ws, `421["join",{"senderUserId":7}]`)
	for r.read() != `431[{"ok":true}]` {
	}
	stop := sending(t, nodes[2:], time.Millisecond)
	for i := range 2 {
		r.listen(20)
		send(t, nodes[i], syscall.SIGTERM)
		for closed := false; !closed; { // until the server ends the connection
			closed = r.drained()
		}
		if !r.come(nodes[i+1]) {
			t.Fatal("not recovered")
		}
		if err := nodes[i].cmd.Wait(); err != nil {
			t.Errorf("SIGTERM ended it with %v\n%s", err, nodes[i].log)
		}
	}
	sent := stop()
	for r.next[0] < sent[0] {
		r.read()
	}
}

// drained reads until the connection ends.
func (r *roamer) drained() bool {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	_, data, err := r.ws.Read(ctx)
	if err != nil {
		return true
	}
	r.seen(string(data))
	return false
}

// reasons returns what the servers say of sessions that were not recovered.
func reasons(nodes []*process) string {
	var why []string
	for _, n := range nodes {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
		for line := range strings.Lines(n.log.String()) {
			if strings.Contains(line, "not recovered") {
				why = append(why, line)
			}
		}
	}
	return strings.Join(why, "")
}
