package router

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
)

// outsider is a transport to a backend that is there or away.
type outsider struct {
	away         atomic.Bool
	asked, tried atomic.Int32
}

func (o *outsider) Ask(context.Context, *Question) (json.RawMessage, error) {
	if o.asked.Add(1); o.away.Load() {
		return nil, &Unanswered{Reason: "away", Again: true, Unsent: true}
	}
	return json.RawMessage(`{"user":"7"}`), nil
}

func (o *outsider) Tell(context.Context, []Notice) error {
	if o.tried.Add(1); o.away.Load() {
		return errors.New("away")
	}
	return nil
}

type namedPeer struct {
	app.Peer
	id string
}

func (p namedPeer) ID() string      { return p.id }
func (namedPeer) Namespace() string { return "/game" }

func comer(i int) *Connect {
	s := &Socket{Peer: namedPeer{id: strconv.Itoa(i)}, Visit: strconv.Itoa(i)}
	return &Connect{Socket: s, Auth: json.RawMessage("{}"), Headers: func(string) string { return "" }}
}

// TestCrowdIsNotCutAtOnce: while the backend is away each client is cut at a moment of its own, in the last 5 of 10 seconds.
func TestCrowdIsNotCutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := new(outsider)
		to.away.Store(true)
		b := NewOutside(OutsideOptions{Log: silent}, to)
		var parts [5]atomic.Int32 // how many in each second
		var done sync.WaitGroup
		start := time.Now()
		for i := range 300 {
			done.Go(func() {
				_, err := b.Connect(t.Context(), comer(i))
				after := time.Since(start) - 5*time.Second
				if !errors.Is(err, ErrUnavailable) || after < 0 || after > 5*time.Second {
					t.Errorf("cut after 5s and %v: %v", after, err)
					return
				}
				parts[min(after/time.Second, 4)].Add(1)
			})
		}
		done.Wait()
		for i := range parts {
			if n := parts[i].Load(); n < 20 {
				t.Errorf("%d of 300 are cut in second %d of 5", n, i)
			}
		}
	})
}

// TestNobodyComesWhileTheQueueIsFull, since the backend could not be told of the end. Who is there is told of all the same.
func TestNobodyComesWhileTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := new(outsider)
		to.away.Store(true)
		b := NewOutside(OutsideOptions{Notices: NewNotices(NoticeOptions{Most: 2, Log: silent}), Log: silent}, to)
		for i := range 3 {
			b.Left(comer(i).Socket, "transport close")
		}
		welcomed := make(chan *Welcome, 1)
		go func() { // awaited below
			w, _ := b.Connect(t.Context(), comer(7))
			welcomed <- w
		}()
		time.Sleep(4 * time.Second)
		if n, waiting := to.asked.Load(), b.OutsideStats().Notices.Waiting; n != 0 || waiting != 3 {
			t.Errorf("asked %d times while %d notices wait, want 0 and 3", n, waiting)
		}
		to.away.Store(false)
		b.Notices().SendNow()
		if w := <-welcomed; w == nil || w.User != "7" {
			t.Errorf("when there is room again: %v", w)
		}
		b.Close(t.Context())
	})
}

// TestNoticeIsToldForADay, after pauses that grow to two minutes.
func TestNoticeIsToldForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := new(outsider)
		to.away.Store(true)
		b := NewOutside(OutsideOptions{Notices: NewNotices(NoticeOptions{Log: silent}), Log: silent}, to)
		b.Left(comer(1).Socket, "transport close")
		time.Sleep(24*time.Hour - time.Second)
		if s := b.OutsideStats().Notices; s.Waiting != 1 || s.Expired != 0 {
			t.Errorf("within the day: %+v", s)
		}
		if n := to.tried.Load(); n < 700 || n > 3000 {
			t.Errorf("tried %d times in a day", n)
		}
		time.Sleep(4 * time.Minute)
		if s := b.OutsideStats().Notices; s.Waiting != 0 || s.Expired != 1 {
			t.Errorf("after the day: %+v", s)
		}
		b.Close(t.Context())
	})
}
