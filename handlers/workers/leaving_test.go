package workers_test

import (
	"strings"
	"testing"
	"time"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
	"signalbox/handlers/workers"
)

// TestWorkerDies with events out: their callbacks hear so, or the next worker gets them where they are named. What comes then
// is the next one's.
func TestWorkerDies(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience, Retry: []string{"pay"}})
	got := make(chan envelope, 10)
	first := start(t, n, func(e envelope) string {
		if e.Type == "connect" {
			return `{}`
		}
		got <- e
		return ""
	}, "/game:*")
	a, b := testkit.Dial(t, n.url), testkit.Dial(t, n.url)
	a.Join("/game", "")
	b.Join("/game", "")
	a.Send(`42/game,1["pay"]`)
	b.Send(`42/game,1["say"]`, `42/game,2["again"]`)
	ids := map[string]string{}
	for range 2 {
		e := <-got
		ids[e.Event] = e.ID
	}
	again := make(chan envelope, 10)
	start(t, n, func(e envelope) string {
		again <- e
		return `{"ack":["second"]}`
	}, "/game:*")
	first.Cut()
	b.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`, `43/game,2["second"]`)
	a.Want(`43/game,1["second"]`)
	for range 2 {
		if e := <-again; e.Event == "pay" && e.ID != ids["pay"] {
			t.Errorf("pay came again as %s, want %s", e.ID, ids["pay"])
		}
	}
	if s := n.workers.Stats(); s.Died != 2 || s.Retried != 1 || s.Out != 0 {
		t.Errorf("stats %+v, want 2 died, 1 retried, none out", s)
	}
}

// TestNumbersWithoutAWorker: events that nobody was sent leave no gap.
func TestNumbersWithoutAWorker(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: 50 * time.Millisecond, ConnectWait: patience})
	first := start(t, n, func(envelope) string { return `{}` }, "/game:*")
	c := testkit.Dial(t, n.url)
	c.Join("/game", "")
	first.Cut()
	await(t, n, func(s workers.Stats) bool { return s.Here == 0 })
	for range 3 {
		c.Send(`42/game,1["x"]`)
		c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	}
	w := connect(t, n)
	claim(t, w, "/game:*")
	c.Send(`42/game,["x"]`)
	if got := w.Read(); !strings.Contains(got, `"seq":1,`) {
		t.Errorf("told %s, want number 1", got)
	}
}

// TestWorkerThatNeverAnswers is asked last, until it says something.
func TestWorkerThatNeverAnswers(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: 100 * time.Millisecond})
	start(t, n, func(e envelope) string {
		if e.Type == "connect" {
			return `{}`
		}
		return ""
	}, "/game:*")
	c := testkit.Dial(t, n.url)
	c.Join("/game", "")
	c.Send(`42/game,1["x"]`)
	c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	start(t, n, welcome, "/game:*")
	c.Send(`42/game,2["x"]`, `42/game,3["x"]`)
	c.Want(`43/game,2[2]`, `43/game,3[3]`)
	if s := n.workers.Stats(); s.Late != 1 || s.Out != 0 {
		t.Errorf("stats %+v, want 1 late, none out", s)
	}
}

// TestWorkerStartsAnew: nobody notices, where it does not take longer than an answer may.
func TestWorkerStartsAnew(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience, Notices: router.NewNotices(router.NoticeOptions{Log: quiet})})
	first := start(t, n, welcome, "/game:*")
	c, leaves := testkit.Dial(t, n.url), testkit.Dial(t, n.url)
	c.Join("/game", "")
	leaves.Join("/game", "")
	first.Cut()
	await(t, n, func(s workers.Stats) bool { return s.Here == 0 })
	c.Send(`42/game,1["x"]`)
	leaves.Cut()
	other := testkit.Dial(t, n.url)
	other.Send(`40/game,`)
	left := make(chan string, 10)
	start(t, n, func(e envelope) string {
		if e.Type == "disconnect" {
			left <- e.Reason
		}
		return welcome(e)
	}, "/game:*")
	c.Want(`43/game,1[1]`)
	other.Read()
	if reason := <-left; reason != "transport close" && reason != "transport error" {
		t.Errorf("left for %q", reason)
	}
}
