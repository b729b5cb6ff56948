// Command languages goes through the steps of languages.test.mjs with a Socket.IO client in Go.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	engine "github.com/zishang520/socket.io/clients/engine/v3"
	"github.com/zishang520/socket.io/clients/engine/v3/transports"
	"github.com/zishang520/socket.io/clients/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

const patience = 15 * time.Second

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ok(step string) { fmt.Println("ok", step) }

// run goes through all steps with two clients, as the users a and b.
func run(url, way, userA, userB string) error {
	sent := make([]byte, 256)
	for i := range sent {
		sent[i] = byte(i)
	}
	back := slices.Clone(sent)
	slices.Reverse(back)

	a, err := connect(url, way, userA)
	if err != nil {
		return err
	}
	b, err := connect(url, way, userB)
	if err != nil {
		return err
	}
	ok("connect")

	if err := errors.Join(a.join(), b.join()); err != nil {
		return err
	}
	if err := a.deliver("greeting", map[string]any{"recipientUserId": userB, "text": "grüß dich"}); err != nil {
		return err
	}
	if err := b.got("greeting", "text", "grüß dich"); err != nil {
		return err
	}
	ok("ack")

	if err := a.deliver("photo", map[string]any{"recipientUserId": userB, "bytes": sent}); err != nil {
		return err
	}
	if err := b.gotBytes(sent); err != nil {
		return err
	}
	if err := b.deliver("photo", map[string]any{"recipientUserId": userA, "bytes": back}); err != nil {
		return err
	}
	if err := a.gotBytes(back); err != nil {
		return err
	}
	ok("binary")

	for _, p := range []*peer{a, b} {
		if _, err := p.ask("login", map[string]any{"name": "n" + p.user, "room": "r" + userA}); err != nil {
			return err
		}
	}
	if _, err := a.wait("users", func(args []any) bool { return len(args) > 0 && len(args[0].([]any)) == 2 }); err != nil {
		return err
	}
	if err := a.socket.Emit("roomMessage", "hello, all"); err != nil {
		return err
	}
	if err := b.got("roomMessage", "message", "hello, all"); err != nil {
		return err
	}
	ok("rooms")

	fmt.Println("restart")
	for _, p := range []*peer{a, b} {
		if _, err := p.wait("connect", always); err != nil {
			return err
		}
		if err := p.join(); err != nil {
			return err
		}
	}
	if err := a.deliver("greeting", map[string]any{"recipientUserId": userB, "text": "again"}); err != nil {
		return err
	}
	if err := b.got("greeting", "text", "again"); err != nil {
		return err
	}
	ok("reconnect")
	a.socket.Disconnect()
	b.socket.Disconnect()
	return nil
}

// entry is an event that came.
type entry struct {
	name string
	args []any
}

// peer is one client and what it got.
type peer struct {
	user   string
	socket *socket.Socket

	// mu guards the following.
	mu   sync.Mutex
	log  []entry
	more chan struct{} // closed and made anew when something comes
}

// connect returns a client that is connected and, where it may upgrade, upgraded.
func connect(url, way, user string) (*peer, error) {
	opts := socket.DefaultOptions()
	opts.SetForceNew(true)
	opts.SetReconnectionDelay(100)
	opts.SetReconnectionDelayMax(200)
	switch way {
	case "polling":
		opts.SetTransports(types.NewSet[engine.TransportCtor](transports.Polling))
	case "websocket":
		opts.SetTransports(types.NewSet[engine.TransportCtor](transports.WebSocket))
	default:
		opts.SetTransports(types.NewSet[engine.TransportCtor](transports.Polling, transports.WebSocket))
	}
	s, err := socket.Connect(url, opts)
	if err != nil {
		return nil, err
	}
	p := &peer{user: user, socket: s, more: make(chan struct{})}
	for _, name := range []string{"connect", "greeting", "photo", "users", "roomMessage"} {
		if err := s.On(types.EventName(name), func(args ...any) { p.note(name, args) }); err != nil {
			return nil, err
		}
	}
	if _, err := p.wait("connect", always); err != nil {
		return nil, err
	}
	want := "websocket"
	if way == "polling" {
		want = "polling"
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // the upgrade has no event here
		name := s.Io().Engine().Transport().Name()
		if name == want {
			return p, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("transport %s, want %s", name, want)
		}
	}
}

func always([]any) bool { return true }

func (p *peer) note(name string, args []any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, entry{name, args})
	close(p.more)
	p.more = make(chan struct{})
}

// wait returns the arguments of the first event of that name that suits, and forgets it.
func (p *peer) wait(name string, suits func(args []any) bool) ([]any, error) {
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		i := slices.IndexFunc(p.log, func(e entry) bool { return e.name == name && suits(e.args) })
		if i >= 0 {
			args := p.log[i].args
			p.log = slices.Delete(p.log, i, i+1)
			p.mu.Unlock()
			return args, nil
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-timeout:
			return nil, fmt.Errorf("%s waited for %s, got %v", p.user, name, p.log)
		}
	}
}

// ask emits and returns the answer.
func (p *peer) ask(event string, data map[string]any) (map[string]any, error) {
	type answer struct {
		args []any
		err  error
	}
	done := make(chan answer, 1)
	p.socket.Timeout(patience).EmitWithAck(event, data)(func(args []any, err error) { done <- answer{args, err} })
	a := <-done
	if a.err != nil {
		return nil, fmt.Errorf("%s: %w", event, a.err)
	}
	object, isObject := a.args[0].(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("%s is answered with %v", event, a.args)
	}
	return object, nil
}

func (p *peer) join() error {
	answer, err := p.ask("join", map[string]any{"senderUserId": p.user, "recipientUserId": -1})
	if err == nil && answer["ok"] != true {
		err = fmt.Errorf("join is answered with %v", answer)
	}
	return err
}

// deliver emits what one socket has to get.
func (p *peer) deliver(event string, data map[string]any) error {
	answer, err := p.ask(event, data)
	if err == nil && (answer["ok"] != true || answer["delivered"] != 1.0) {
		err = fmt.Errorf("%s is answered with %v", event, answer)
	}
	return err
}

// got waits for an event and compares one member of its first argument.
func (p *peer) got(event, member, want string) error {
	args, err := p.wait(event, always)
	if err != nil {
		return err
	}
	if object, isObject := args[0].(map[string]any); !isObject || object[member] != want {
		return fmt.Errorf("%s got %s %v, want %q", p.user, event, args, want)
	}
	return nil
}

// gotBytes waits for a photo and compares it.
func (p *peer) gotBytes(want []byte) error {
	args, err := p.wait("photo", always)
	if err != nil {
		return err
	}
	object, _ := args[0].(map[string]any)
	var got []byte
	switch value := object["bytes"].(type) {
	case []byte:
		got = value
	case io.Reader:
		if got, err = io.ReadAll(value); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s got a photo of type %T", p.user, value)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s got %d other bytes", p.user, len(got))
	}
	return nil
}
