package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
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
func (c *clusterBench) measureStorage(ctx context.Context) error {
	const secret = "nothing secret, a server of signalbox bench"
	s := &site{name: "storage"}
	defer s.stop()
	spec := c.own
	spec.env = append([]string{"JWT_SECRET=" + secret}, spec.env...)
	if err := c.open(ctx, s, false, spec); err != nil {
		return err
	}
	o, err := parseOptions([]string{"--url", s.urls(1), "--jwt-secret", secret}, c.stderr)
	if err != nil {
		return err
	}
	r, err := newRunner(o, c.stderr)
	if err != nil {
		return err
	}
	defer r.progress.close()
	r.progress.phase("storage", "starts")
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("storage: not finished after a minute"))
	defer cancel()
	st := &stored{clusterBench: c, site: s, runner: r}
	for _, fill := range []func(context.Context) error{st.users, st.memberships, st.tickets} {
		if err := fill(ctx); err != nil {
			return errors.Join(fmt.Errorf("storage: %w", err), s.dead())
		}
	}
	r.progress.phase("storage", "done")
	return nil
}

// stored is what filling Redis needs.
type stored struct {
	*clusterBench
	site   *site
	runner *runner
}

// weigh does something count times, and notes what each has left in Redis. done returns when all of it is there.
func (st *stored) weigh(ctx context.Context, what string, count int, do func() error) error {
	proc := watched(st.site.redis.pid())
	before, err := st.settled(ctx, proc)
	if err != nil {
		return err
	}
	m := meter{procs: proc}
	if err := m.begin(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	after, err := st.settled(ctx, proc)
	if err != nil {
		return err
	}
	if err := m.end(0); err != nil {
		return err
	}
	st.storage = append(st.storage, storageResult{
		what: what, count: count, bytes: float64(after-before) / float64(count), cpu: m.total() / float64(count),
	})
	return nil
}

// settled waits until Redis has nothing to do and returns what it has allocated.
func (st *stored) settled(ctx context.Context, proc processes) (int64, error) {
	if err := pause(ctx, lingering); err != nil {
		return 0, err
	}
	if err := calm(ctx, proc, 5*time.Second); err != nil {
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
	if await(ctx, answered, int64(n), 5*time.Second) != 0 {
		return fmt.Errorf("%d of %d were never answered", int64(n)-answered.Load(), n)
	}
	return nil
}

// counting returns callbacks that count the answers.
func counting(answered *atomic.Int64) callbacks {
	return callbacks{ack: func(int64, uint64, []byte) { answered.Add(1) }}
}

// users logs users in to rooms of the chat.
func (st *stored) users(ctx context.Context) error {
	var answered atomic.Int64
	clients := st.runner.connect(ctx, storedUsers, 64, dialOptions{bufBytes: 4 << 10}, func(int) callbacks { return counting(&answered) })
	defer clients.close()
	if err := clients.need(); err != nil {
		return err
	}
	return st.weigh(ctx, fmt.Sprintf("user of the chat, %d in a room", storedRoom), storedUsers, func() error {
		return each(ctx, storedUsers, &answered, func(i int) error {
			return clients.clients[i].send(appendLogin(nil, 1, "user"+strconv.Itoa(i), "room"+strconv.Itoa(i/storedRoom)))
		})
	})
}

// memberships lets clients join rooms of /chat, and then sends to some of them, whose history is kept.
func (st *stored) memberships(ctx context.Context) error {
	var answered, heard atomic.Int64
	tokens := make([]string, storedClients)
	for i := range tokens {
		var err error
		if tokens[i], err = mint(st.runner.opts.jwtSecret, pairUser(i)); err != nil {
			return err
		}
	}
	padding := bytes.Repeat([]byte{'x'}, st.runner.opts.padBytes)
	clients := st.runner.connectEach(ctx, storedClients, 64, func(i int) dialOptions {
		return dialOptions{door: doorChat, token: tokens[i], bufBytes: 4 << 10}
	}, func(int) callbacks {
		on := counting(&answered)
		on.event = func(_ int64, event []byte) {
			if m, ok := readRoomStamp(event, padding); ok && m.intact {
				heard.Add(1)
			}
		}
		return on
	})
	defer clients.close()
	if err := clients.need(); err != nil {
		return err
	}
	room := func(i int) string { return "stored-" + strconv.Itoa(i) }
	const memberships = storedClients * storedMemberships
	err := st.weigh(ctx, "membership of a room of /chat or /ws", memberships, func() error {
		return each(ctx, memberships, &answered, func(i int) error {
			return clients.clients[i%storedClients].send(appendJoinRoom(nil, uint64(i), room(i%storedClients)+"-"+strconv.Itoa(i/storedClients)))
		})
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("message in the history, %d bytes of content", len(appendRoomContent(nil, stamp{seq: storedMessages}, padding)))
	return st.weigh(ctx, what, storedMessages, func() error {
		return each(ctx, storedMessages, &heard, func(i int) error {
			n := i % storedHistories
			return clients.clients[n].send(appendRoomMessage(nil, room(n)+"-0", stamp{sender: int64(n), seq: int64(i)}, padding))
		})
	})
}

// tickets gets tickets for /notification.
func (st *stored) tickets(ctx context.Context) error {
	return st.weigh(ctx, "ticket", storedTickets, func() error {
		conn := newHTTPConn(st.runner.target)
		defer conn.close()
		for i := range storedTickets {
			token, err := mint(st.runner.opts.jwtSecret, pairUser(i))
			if err != nil {
				return err
			}
			conn.header = "Authorization: Bearer " + token + "\r\n"
			answer, err := conn.do(ctx, "GET", "/api/auth/token/ws", nil)
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
