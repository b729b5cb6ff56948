package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/measure"
)

// How much of each kind is put into Redis to see what it takes.
const (
	storedUsers       = 1000 // of the chat, in rooms of storedRoom
	storedRoom        = 20
	storedClients     = 100 // of /chat
	storedMemberships = 20  // of each of them
	storedTickets     = 1000
	storedMessages    = 4000 // in storedHistories rooms
	storedHistories   = 20
)

// storageResult is what things of one kind take in Redis.
type storageResult struct {
	what  string
	count int
	bytes float64 // of each
	cpu   float64 // of Redis, microseconds for each; 0: not measured
}

// measureStorage puts things into Redis by way of one server and reads Redis's memory before and after.
func (c *bench) measureStorage(ctx context.Context) error {
	const secret = "nothing secret, a server of signalbox-bench"
	s := &site{name: "storage"}
	defer s.stop()
	spec := c.own
	spec.Env = append([]string{"JWT_SECRET=" + secret}, spec.Env...)
	if err := c.open(ctx, s, false, spec); err != nil {
		return err
	}
	o, err := load.ParseOptions([]string{"--url", s.urls(1), "--jwt-secret", secret}, c.Stderr)
	if err != nil {
		return err
	}
	r, err := load.NewRunner(o, c.Stderr)
	if err != nil {
		return err
	}
	defer r.Progress.Close()
	r.Progress.Phase("storage", "starts")
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("storage: not finished after a minute"))
	defer cancel()
	st := &stored{bench: c, site: s, runner: r}
	for _, fill := range []func(context.Context) error{st.users, st.memberships, st.tickets} {
		if err := fill(ctx); err != nil {
			return errors.Join(fmt.Errorf("storage: %w", err), s.dead())
		}
	}
	r.Progress.Phase("storage", "done")
	return nil
}

// stored is what filling Redis needs.
type stored struct {
	*bench
	site   *site
	runner *load.Runner
}

// weigh does something count times, and notes what each has left in Redis. done returns when all of it is there.
func (st *stored) weigh(ctx context.Context, what string, count int, do func() error) error {
	proc := measure.Watched(st.site.redis.PID())
	before, err := st.settled(ctx, proc)
	if err != nil {
		return err
	}
	m := measure.Meter{Procs: proc}
	if err := m.Begin(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	after, err := st.settled(ctx, proc)
	if err != nil {
		return err
	}
	if err := m.End(0); err != nil {
		return err
	}
	st.storage = append(st.storage, storageResult{
		what: what, count: count, bytes: float64(after-before) / float64(count), cpu: m.Total() / float64(count),
	})
	return nil
}

// settled waits until Redis has nothing to do and returns what it has allocated.
func (st *stored) settled(ctx context.Context, proc measure.Processes) (int64, error) {
	if err := measure.Pause(ctx, load.Lingering); err != nil {
		return 0, err
	}
	if err := measure.Calm(ctx, proc, 5*time.Second); err != nil {
		return 0, err
	}
	return st.site.redis.usedMemory(ctx)
}

// each sends one packet with a callback for each n and waits for all callbacks. answered counts them.
func each(ctx context.Context, n int, answered *atomic.Int64, send func(i int) error) error {
	for i := range n {
		if err := send(i); err != nil {
			return err
		}
	}
	if load.Await(ctx, answered, int64(n), 5*time.Second) != 0 {
		return fmt.Errorf("%d of %d were never answered", int64(n)-answered.Load(), n)
	}
	return nil
}

// counting returns callbacks that count the answers.
func counting(answered *atomic.Int64) client.Callbacks {
	return client.Callbacks{Ack: func(int64, uint64, []byte) { answered.Add(1) }}
}

// users logs users in to rooms of the chat.
func (st *stored) users(ctx context.Context) error {
	var answered atomic.Int64
	clients := st.runner.Connect(ctx, storedUsers, 64, client.Options{BufBytes: 4 << 10}, func(int) client.Callbacks { return counting(&answered) })
	defer clients.Close()
	if err := clients.Need(); err != nil {
		return err
	}
	return st.weigh(ctx, fmt.Sprintf("user of the chat, %d in a room", storedRoom), storedUsers, func() error {
		return each(ctx, storedUsers, &answered, func(i int) error {
			return clients.Clients[i].Send(client.AppendLogin(nil, 1, "user"+strconv.Itoa(i), "room"+strconv.Itoa(i/storedRoom)))
		})
	})
}

// memberships lets clients join rooms of /chat, and then sends to some of them, whose history is kept.
func (st *stored) memberships(ctx context.Context) error {
	var answered, heard atomic.Int64
	tokens := make([]string, storedClients)
	for i := range tokens {
		var err error
		if tokens[i], err = client.Mint(st.runner.Opts.JWTSecret, load.PairUser(i)); err != nil {
			return err
		}
	}
	padding := bytes.Repeat([]byte{'x'}, st.runner.Opts.PadBytes)
	clients := st.runner.ConnectEach(ctx, storedClients, 64, func(i int) client.Options {
		return client.Options{Door: client.Chat, Token: tokens[i], BufBytes: 4 << 10}
	}, func(int) client.Callbacks {
		on := counting(&answered)
		on.Event = func(_ int64, event []byte) {
			if m, ok := client.ReadRoomStamp(event, padding); ok && m.Intact {
				heard.Add(1)
			}
		}
		return on
	})
	defer clients.Close()
	if err := clients.Need(); err != nil {
		return err
	}
	room := func(i int) string { return "stored-" + strconv.Itoa(i) }
	const memberships = storedClients * storedMemberships
	err := st.weigh(ctx, "membership of a room of /chat or /ws", memberships, func() error {
		return each(ctx, memberships, &answered, func(i int) error {
			return clients.Clients[i%storedClients].Send(client.AppendJoinRoom(nil, uint64(i), room(i%storedClients)+"-"+strconv.Itoa(i/storedClients)))
		})
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("message in the history, %d bytes of content", len(client.AppendRoomContent(nil, client.Stamp{Seq: storedMessages}, padding)))
	return st.weigh(ctx, what, storedMessages, func() error {
		return each(ctx, storedMessages, &heard, func(i int) error {
			n := i % storedHistories
			return clients.Clients[n].Send(client.AppendRoomMessage(nil, room(n)+"-0", client.Stamp{Sender: int64(n), Seq: int64(i)}, padding))
		})
	})
}

// tickets gets tickets for /notification.
func (st *stored) tickets(ctx context.Context) error {
	return st.weigh(ctx, "ticket", storedTickets, func() error {
		conn := client.NewHTTPConn(st.runner.Target)
		defer conn.Close()
		for i := range storedTickets {
			token, err := client.Mint(st.runner.Opts.JWTSecret, load.PairUser(i))
			if err != nil {
				return err
			}
			conn.Header = "Authorization: Bearer " + token + "\r\n"
			answer, err := conn.Do(ctx, "GET", "/api/auth/token/ws", nil)
			if err != nil {
				return err
			}
			if !bytes.HasPrefix(answer, []byte(`{"status":1,`)) {
				return fmt.Errorf("answer %.200q", answer)
			}
		}
		return nil
	})
}
