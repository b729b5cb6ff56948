package handlers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
	"signalbox/store"
)

// proved returns a client of /demo or /notification that has proved who it is.
func (h *house) proved(d app.TextHandler, user string) *texter {
	h.t.Helper()
	c := h.text(d, h.ticket(user))
	c.send(`{"type":"jwt","token":"` + h.token(user) + `"}`)
	c.want("connection established", "authentication successfull")
	return c
}

func TestTicketRoutesAskForATicket(t *testing.T) {
	h := newHouse(t)
	good := h.ticket("ann")
	for _, d := range []app.TextHandler{h.doors.Demo, h.doors.Notification} {
		for name, ticket := range map[string]string{
			"none": "", "a wrong one": "0123456789abcdef01234567", "a token": h.token("ann"), "in upper case": "ABCDEF" + good[6:],
			"too short": good[1:], "with a space": good + " ",
		} {
			if _, err := h.tryText(d, ticket); status(err) != 401 {
				t.Errorf("%s: %v, want 401", name, err)
			}
		}
		for range 2 { // a client that reconnects uses it again
			c := h.text(d, good)
			c.want("connection established")
			c.leave()
		}
	}
}

func TestTicketRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ticket := h.ticket("ann")
		time.Sleep(15*time.Minute + time.Second)
		if _, err := h.tryText(h.doors.Demo, ticket); status(err) != 401 {
			t.Errorf("after 15 minutes: %v, want 401", err)
		}
	})
}

type brokenTickets struct{ store.Tickets }

func (brokenTickets) User(context.Context, string) (string, error) {
	return "", errors.New("the store is away")
}

func TestTicketStoreAway(t *testing.T) {
	h := newHouse(t, func(o *DoorsOptions) { o.Tickets = brokenTickets{} })
	if _, err := h.tryText(h.doors.Demo, "0123456789abcdef01234567"); status(err) != 503 {
		t.Errorf("%v, want 503", err)
	}
}

func TestTicketRoutesFirstMessage(t *testing.T) {
	h := newHouse(t)
	for name, first := range map[string]string{
		"a bad token":         `{"type":"jwt","token":"x"}`,
		"no token":            `{"type":"jwt"}`,
		"a token of a number": `{"type":"jwt","token":5}`,
		"another user's":      `{"type":"jwt","token":"` + h.token("bob") + `"}`,
		"an expired one":      `{"type":"jwt","token":"` + expired + `"}`,
		"another type":        `{"type":"hello","token":"` + h.token("ann") + `"}`,
		"no JSON":             `hello`,
		"null":                `null`,
	} {
		for _, d := range []app.TextHandler{h.doors.Demo, h.doors.Notification} {
			c := h.text(d, h.ticket("ann"))
			c.send(first)
			c.want("connection established", "close 1008 authentication failed")
			c.leave()
			if h.doors.Presence.isOnlineHere("ann") {
				t.Errorf("%s: the client is online", name)
			}
		}
	}
}

func TestTicketRoutesCutWhoDoesNotAuthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		early := h.text(h.doors.Demo, h.ticket("ann"))
		time.Sleep(2 * time.Second)
		late := h.text(h.doors.Notification, h.ticket("ann"))
		good := h.proved(h.doors.Notification, "ann")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		early.want("connection established", "close 1008 not authenticated")
		late.want("connection established")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		late.want("close 1008 not authenticated")
		time.Sleep(time.Minute)
		synctest.Wait()
		wantNothing(good)
		for _, c := range []*texter{early, late, good} {
			c.leave()
		}
	})
}

func TestDemoEchoes(t *testing.T) {
	h := newHouse(t)
	c := h.proved(h.doors.Demo, "ann")
	for _, text := range []string{"hello", "", `{"type":"jwt","token":"x"}`, `{"type":"renewal"}`, "\u00e4 \u2028"} {
		c.send(text)
		c.want("echo: " + text)
	}
}

func TestDemoTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		wait := h.text(h.doors.Demo, h.ticket("bob"))
		ann := h.proved(h.doors.Demo, "ann")
		time.Sleep(2 * time.Second)
		bob := h.proved(h.doors.Demo, "bob")
		time.Sleep(9500 * time.Millisecond) // 11.5 s, 9.5 s for bob
		synctest.Wait()
		ann.want("broadcast message 0", "client message 0", "broadcast message 1", "broadcast message 2", "client message 1")
		bob.want("broadcast message 0", "broadcast message 1", "client message 0", "broadcast message 2")
		wait.want("connection established", "close 1008 not authenticated")
		ann.leave()
		bob.leave()
		wait.leave()
		time.Sleep(time.Minute)
		synctest.Wait()
		wantNothing(ann, bob)
		cat := h.proved(h.doors.Demo, "cat") // it goes on when somebody comes
		time.Sleep(3 * time.Second)
		synctest.Wait()
		cat.want("broadcast message 3")
		cat.leave()
	})
}

func TestDemoTokenEndsAndRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.doors.Demo.clients.interval, h.doors.Demo.broadcasts.interval = time.Hour*9, time.Hour*9
		enter := func(user string) *texter {
			c := h.text(h.doors.Demo, h.ticket(user))
			c.send(`{"type":"jwt","token":"` + h.tokenFor(time.Hour, user) + `"}`)
			c.take()
			return c
		}
		ann, bob := enter("ann"), enter("bob")
		time.Sleep(time.Hour - 30*time.Second)
		synctest.Wait()
		ann.want("token expires soon")
		bob.take()
		bob.send(`{"type":"renew","token":"` + h.token("ann") + `"}`)
		bob.want("renewal refused")
		bob.send(`{"type":"renew","token":"` + h.token("bob") + `"}`)
		bob.want("authentication renewed")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ann.want("close 1008 token expired")
		wantNothing(bob)
		ann.leave()
		bob.leave()
	})
}

// tick is a beater that counts, and ends after some calls.
type tick struct {
	entry beatEntry
	at    []time.Duration
	start time.Time
	most  int
}

func (k *tick) beat() bool {
	k.at = append(k.at, time.Since(k.start))
	return len(k.at) < k.most
}

func TestBeatCallsEachAtItsOwnPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBeat(10 * time.Second)
		ticks := make([]*tick, 5)
		for i := range ticks {
			ticks[i] = &tick{start: time.Now(), most: i + 1}
			b.add(&ticks[i].entry, ticks[i])
			time.Sleep(time.Second)
		}
		b.remove(&ticks[3].entry)
		b.remove(&ticks[3].entry)
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, k := range ticks {
			var want []time.Duration
			for n := range k.most {
				if i != 3 {
					want = append(want, time.Duration(n+1)*10*time.Second)
				}
			}
			if !slices.Equal(k.at, want) {
				t.Errorf("beater %d was called at %v, want %v", i, k.at, want)
			}
		}
		if b.first != nil || b.last != nil {
			t.Error("the beat is not empty")
		}
	})
}

func TestBeatUnderConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBeat(time.Second)
		done := make(chan bool)
		for i := range 20 {
			go func() {
				for range 50 {
					k := &tick{start: time.Now(), most: 1 + i%3}
					b.add(&k.entry, k)
					time.Sleep(time.Duration(i) * 137 * time.Millisecond)
					b.remove(&k.entry)
				}
				done <- true
			}()
		}
		for range 20 {
			<-done
		}
		if b.first != nil {
			t.Error("the beat is not empty")
		}
	})
}

func FuzzFirstMessage(f *testing.F) {
	for _, seed := range []string{`{"type":"jwt","token":"a.b.c"}`, `{"type":"jwt"}`, `null`, `{`, "\xff"} {
		f.Add([]byte(seed))
	}
	h := newHouse(f)
	ticket := h.ticket("ann")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := h.tryText(h.doors.Notification, ticket)
		if err != nil {
			t.Fatal(err)
		}
		c.session.Text(data)
		if got := fmt.Sprint(c.take()); got != "[connection established close 1008 authentication failed]" {
			t.Fatalf("%q: %s", data, got)
		}
		c.leave()
	})
}
