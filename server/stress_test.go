package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"signalbox/handlers/broker"
	"signalbox/handlers/userlist"
	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/socketio"
	"signalbox/store"
)

const (
	stressResidents = 9  // clients that stay, a third on each way to connect
	stressVisitors  = 6  // clients that come and go
	stressWindow    = 16 // callbacks a resident waits for at once
	stressPatience  = 20 * time.Second
)

var stressWays = [...]string{"websocket", "polling", "upgrade"}

// TestStress lets residents talk to each other, by address and in a room, while visitors come, speak and go in every way
// there is. Among residents nothing is lost, doubled or reordered; afterwards nobody is left. It goes on for two seconds,
// or what STRESS_TIME says: STRESS_TIME=5m go test -race -run TestStress ./server
func TestStress(t *testing.T) {
	lasts := 2 * time.Second
	if text := os.Getenv("STRESS_TIME"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	h, users := hub.New(), store.NewMemory()
	chat := userlist.New(userlist.Options{Hub: h, Users: users, Log: quiet})
	root := broker.New(h, func(p app.Peer, hs app.Handshake) broker.Second { return chat.Open(p, hs) }, quiet)
	door := socketio.New(socketio.Config{
		// The ping timeout is how long a visitor is kept that went between two polls.
		Conn: conn.Config{PingInterval: 100 * time.Millisecond, PingTimeout: 3 * time.Second, CloseTimeout: time.Second, Log: quiet},
		Hub:  h, Handlers: map[string]app.Handler{"/": root}, Log: quiet,
	})
	web := httptest.NewServer(door)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stressPatience)
		defer cancel()
		if err := door.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		chat.Close()
		web.Close()
	})

	var residents []*resident
	for i := range stressResidents {
		residents = append(residents, moveIn(t, web.URL, i))
	}
	end := time.Now().Add(lasts)
	var busy sync.WaitGroup
	for i, r := range residents {
		if stressWays[i%len(stressWays)] == "upgrade" {
			busy.Go(func() { r.must(r.upgrade()) })
		}
		busy.Go(func() { r.talk(end) })
	}
	for i := range stressVisitors {
		busy.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				visit(t, web.URL, fmt.Sprintf("v%d", i))
			}
		})
	}
	busy.Wait()
	for _, r := range residents {
		for _, from := range residents {
			eventually(t, func() bool { return r.hasAll(from) }, "%s has all that %s sent", r.name, from.name)
		}
	}
	for _, r := range residents {
		r.mu.Lock()
		t.Logf("%s: heard %d, in the room %d", r.name, r.total, r.roomTotal)
		r.mu.Unlock()
		select {
		case err := <-r.failed:
			t.Errorf("%s: %v", r.name, err)
		default:
		}
		r.leave()
	}
	eventually(t, func() bool { return door.Stats().Connections == 0 && door.Stats().Sockets == 0 }, "all connections have ended")
	eventually(t, func() bool { return len(h.Counts()) == 0 }, "no room is left")
	if left, _ := users.GetRoomUsers(t.Context(), "hall"); len(left) > 0 {
		t.Errorf("%d users are still in the chat", len(left))
	}
	stats, closed := door.Engine().Stats(), uint64(0)
	for _, n := range stats.Closed {
		closed += n
	}
	if closed != stats.SessionsOpened || stats.OutboxBytes != 0 || stats.SlowClients != 0 {
		t.Errorf("%d of %d sessions ended, %d bytes are queued, %d clients were slow", closed, stats.SessionsOpened, stats.OutboxBytes, stats.SlowClients)
	}
	if s := door.Stats(); s.Panics+s.BadPackets > 0 {
		t.Errorf("%d panics, %d bad packets", s.Panics, s.BadPackets)
	}
	t.Logf("%d sessions, %d upgrades and %d given up, %d packets in, %d out", stats.SessionsOpened, stats.Upgrades, stats.UpgradesFailed, stats.PacketsIn, stats.PacketsOut)
}

func eventually(t *testing.T, holds func() bool, what string, args ...any) {
	t.Helper()
	deadline := time.After(stressPatience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came about that "+what, args...)
		}
	}
}

// resident is a client that stays, and misses nothing from the others.
type resident struct {
	*caller
	t      *testing.T
	name   string
	ready  chan struct{} // gets a value for each callback of moving in
	window chan struct{} // holds a value for each callback that is waited for

	mu sync.Mutex
	// mu guards the following.
	sent             [stressResidents]int // by receiver
	sentToRoom       int
	got, gotFromRoom map[string]int // by sender
	total, roomTotal int
}

// talkData is what residents send.
type talkData struct {
	To   string `json:"recipientUserId"`
	From string `json:"from"`
	N    int    `json:"n"`
	Data any    `json:"data,omitempty"`
}

// moveIn connects a resident, makes it a user of the broker and of the chat.
func moveIn(t *testing.T, url string, i int) *resident {
	t.Helper()
	r := &resident{t: t, name: fmt.Sprintf("r%d", i), ready: make(chan struct{}, 1), window: make(chan struct{}, stressWindow),
		got: make(map[string]int), gotFromRoom: make(map[string]int)}
	c, err := call(context.Background(), url, strings.Replace(stressWays[i%len(stressWays)], "upgrade", "polling", 1), r.hear)
	if err != nil {
		t.Fatal(err)
	}
	r.caller = c
	t.Cleanup(c.leave)
	r.await() // connected
	for _, packet := range []string{
		fmt.Sprintf(`20["join",{"senderUserId":%q,"recipientUserId":-1}]`, r.name),
		fmt.Sprintf(`20["login",{"name":%q,"room":"hall"}]`, r.name),
	} {
		r.must(c.send(packet))
		r.await()
	}
	return r
}

func (r *resident) await() {
	r.t.Helper()
	select {
	case <-r.ready:
	case err := <-r.failed:
		r.t.Fatal(err)
	case <-time.After(stressPatience):
		r.t.Fatalf("%s: no answer", r.name)
	}
}

func (r *resident) must(err error) {
	if err != nil {
		r.t.Errorf("%s: %v", r.name, err)
	}
}

// talk sends to everybody until end, and waits for all callbacks.
func (r *resident) talk(end time.Time) {
	for time.Now().Before(end) && !r.t.Failed() {
		select {
		case r.window <- struct{}{}:
		case <-time.After(stressPatience):
			r.t.Errorf("%s: callbacks are missing", r.name)
			return
		}
		r.must(r.say())
	}
	for range stressWindow {
		select {
		case r.window <- struct{}{}:
		case <-time.After(stressPatience):
			r.t.Errorf("%s: callbacks are missing at the end", r.name)
			return
		}
	}
}

// say sends one message of a kind that chance picks. Callback 1 is of one that reaches one client, 2 of any other.
func (r *resident) say() error {
	to := rand.IntN(stressResidents)
	kind := rand.IntN(10)
	r.mu.Lock()
	data := talkData{To: fmt.Sprintf("r%d", to), From: r.name, N: r.sent[to]}
	switch kind {
	case 0:
		data.N = r.sentToRoom
		r.sentToRoom++
	case 1:
		data.To = fmt.Sprintf("v%d", rand.IntN(stressVisitors))
	default:
		r.sent[to]++
	}
	r.mu.Unlock()
	if kind == 2 {
		data.Data = json.RawMessage(`{"_placeholder":true,"num":0}`)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	switch kind {
	case 0:
		return r.send(fmt.Sprintf(`22["roomMessage",%d]`, data.N))
	case 1:
		return r.send(fmt.Sprintf(`22["noise",%s]`, text))
	case 2:
		return r.send(fmt.Sprintf(`51-1["talk",%s]`, text), attachmentOf(data.N))
	default:
		return r.send(fmt.Sprintf(`21["talk",%s]`, text))
	}
}

// attachmentOf is of sizes around those at which the length of a frame is written differently.
func attachmentOf(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 1+n*37%70_000) }

// hear takes what the server sends.
func (r *resident) hear(packet string, attachments [][]byte) {
	switch {
	case strings.HasPrefix(packet, `0{`), strings.HasPrefix(packet, "30["):
		r.ready <- struct{}{}
		return
	case packet == `31[{"ok":true,"delivered":1}]`, strings.HasPrefix(packet, `32[{"ok":true`):
		<-r.window
		return
	}
	var event []json.RawMessage
	if err := json.Unmarshal([]byte(packet[max(0, strings.IndexByte(packet, '[')):]), &event); err != nil || len(event) < 1 {
		r.t.Errorf("%s got %.200q", r.name, packet)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch string(event[0]) {
	case `"talk"`:
		var d talkData
		r.must(json.Unmarshal(event[1], &d))
		if d.N != r.got[d.From] || d.To != r.name {
			r.t.Errorf("%s got message %d to %s from %s, want %d", r.name, d.N, d.To, d.From, r.got[d.From])
		}
		if d.Data != nil && (len(attachments) != 1 || !bytes.Equal(attachments[0], attachmentOf(d.N))) {
			r.t.Errorf("%s got message %d from %s with another attachment", r.name, d.N, d.From)
		}
		r.got[d.From] = d.N + 1
		r.total++
	case `"roomMessage"`:
		var d struct {
			Message int
			From    string
		}
		r.must(json.Unmarshal(event[1], &d))
		if r.gotFromRoom[d.From] > d.Message { // it may have come later than others spoke
			r.t.Errorf("%s got room message %d from %s after %d", r.name, d.Message, d.From, r.gotFromRoom[d.From]-1)
		} else if next, ok := r.gotFromRoom[d.From]; ok && next != d.Message {
			r.t.Errorf("%s got room message %d from %s, want %d", r.name, d.Message, d.From, next)
		}
		r.gotFromRoom[d.From] = d.Message + 1
		r.roomTotal++
	case `"noise"`, `"notification"`, `"users"`:
	default:
		r.t.Errorf("%s got %.200q", r.name, packet)
	}
}

// hasAll reports whether r has got all that from has sent.
func (r *resident) hasAll(from *resident) bool {
	var index int
	_, _ = fmt.Sscanf(r.name, "r%d", &index) // it is one
	from.mu.Lock()
	sent, sentToRoom := from.sent[index], from.sentToRoom
	from.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[from.name] == sent && r.gotFromRoom[from.name] == sentToRoom
}

// visit comes, says a few things that nobody has to hear, and goes in a way that chance picks.
func visit(t *testing.T, url, name string) {
	way := stressWays[rand.IntN(len(stressWays))]
	connected := make(chan struct{}, 1)
	c, err := call(context.Background(), url, strings.Replace(way, "upgrade", "polling", 1), func(packet string, _ [][]byte) {
		if strings.HasPrefix(packet, "0{") {
			connected <- struct{}{}
		}
	})
	if err != nil {
		t.Errorf("visitor: %v", err)
		return
	}
	defer c.leave()
	if rand.IntN(8) == 0 {
		return // before it knows that it is connected
	}
	select {
	case <-connected:
	case err := <-c.failed:
		t.Errorf("visitor by %s: %v", way, err)
		return
	}
	c.left.Store(true) // from here on it may be cut short
	upgraded := make(chan struct{})
	go func() { // awaited below
		defer close(upgraded)
		if way == "upgrade" {
			_ = c.upgrade()
		}
	}()
	for _, packet := range []string{
		fmt.Sprintf(`20["join",{"senderUserId":%q}]`, name),
		fmt.Sprintf(`21["login",{"name":%q,"room":"hall"}]`, name),
		fmt.Sprintf(`2["noise",{"recipientUserId":"r%d","n":1}]`, rand.IntN(stressResidents)),
		`22["logout"]`,
		`23["ping"]`,
		"1",
	}[:1+rand.IntN(6)] {
		_ = c.send(packet)
	}
	switch rand.IntN(3) {
	case 0:
		<-upgraded // else it is cut in the middle
	case 1:
		_ = c.raw("1")
	}
	c.hang()
	<-upgraded
}
