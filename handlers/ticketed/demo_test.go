package ticketed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/store"
)

func TestTicketRoutesAskForATicket(t *testing.T) {
	h := testkit.New(t)
	good := h.Ticket("ann")
	for _, d := range []app.TextHandler{h.Demo, h.Notification} {
		for name, ticket := range map[string]string{
			"none": "", "a wrong one": "0123456789abcdef01234567", "a token": h.Token("ann"), "in upper case": "ABCDEF" + good[6:],
			"too short": good[1:], "with a space": good + " ",
		} {
			if _, err := h.TryText(d, ticket); testkit.Status(err) != 401 {
				t.Errorf("%s: %v, want 401", name, err)
			}
		}
		for range 2 { // a client that reconnects uses it again
			c := h.Text(d, good)
			c.Want("connection established")
			c.Leave()
		}
	}
}

func TestTicketRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		ticket := h.Ticket("ann")
		time.Sleep(15*time.Minute + time.Second)
		if _, err := h.TryText(h.Demo, ticket); testkit.Status(err) != 401 {
			t.Errorf("after 15 minutes: %v, want 401", err)
		}
	})
}

type brokenTickets struct{ store.Tickets }

func (brokenTickets) User(context.Context, string) (string, error) {
	return "", errors.New("the store is away")
}

func TestTicketStoreAway(t *testing.T) {
	h := testkit.New(t, func(o *testkit.Options) { o.Tickets = brokenTickets{} })
	if _, err := h.TryText(h.Demo, "0123456789abcdef01234567"); testkit.Status(err) != 503 {
		t.Errorf("%v, want 503", err)
	}
}

func TestTicketRoutesFirstMessage(t *testing.T) {
	h := testkit.New(t)
	for name, first := range map[string]string{
		"a bad token":         `{"type":"jwt","token":"x"}`,
		"no token":            `{"type":"jwt"}`,
		"a token of a number": `{"type":"jwt","token":5}`,
		"another user's":      `{"type":"jwt","token":"` + h.Token("bob") + `"}`,
		"an expired one":      `{"type":"jwt","token":"` + testkit.Expired() + `"}`,
	} {
		for _, d := range []app.TextHandler{h.Demo, h.Notification} {
			c := h.Text(d, h.Ticket("ann"))
			c.Say(first)
			c.Want("connection established", "close 1008 authentication failed")
			c.Leave()
			if len(h.Online("ann")) > 0 {
				t.Errorf("%s: the client is online", name)
			}
		}
	}
}

func TestTicketRoutesCutWhoDoesNotAuthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		early := h.Text(h.Demo, h.Ticket("ann"))
		time.Sleep(2 * time.Second)
		late := h.Text(h.Notification, h.Ticket("ann"))
		good := h.Proved(h.Notification, "ann")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		early.Want("connection established", "close 1008 not authenticated")
		late.Want("connection established")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		late.Want("close 1008 not authenticated")
		time.Sleep(time.Minute)
		synctest.Wait()
		testkit.WantNothing(good)
		for _, c := range []*testkit.Texter{early, late, good} {
			c.Leave()
		}
	})
}

func TestDemoEchoes(t *testing.T) {
	h := testkit.New(t)
	c := h.Proved(h.Demo, "ann")
	for _, text := range []string{"hello", "", `{"type":"jwt","token":"x"}`, `{"type":"renewal"}`, "\u00e4 \u2028"} {
		c.Say(text)
		c.Want("echo: " + text)
	}
}

func TestDemoTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		wait := h.Text(h.Demo, h.Ticket("bob"))
		ann := h.Proved(h.Demo, "ann")
		time.Sleep(2 * time.Second)
		bob := h.Proved(h.Demo, "bob")
		time.Sleep(9500 * time.Millisecond) // 11.5 s, 9.5 s for bob
		synctest.Wait()
		ann.Want("broadcast message 0", "client message 0", "broadcast message 1", "broadcast message 2", "client message 1")
		bob.Want("broadcast message 0", "broadcast message 1", "client message 0", "broadcast message 2")
		wait.Want("connection established", "close 1008 not authenticated")
		ann.Leave()
		bob.Leave()
		wait.Leave()
		time.Sleep(time.Minute)
		synctest.Wait()
		testkit.WantNothing(ann, bob)
		cat := h.Proved(h.Demo, "cat") // it goes on when somebody comes
		time.Sleep(3 * time.Second)
		synctest.Wait()
		cat.Want("broadcast message 3")
		cat.Leave()
	})
}

// wantSaid is Want without the numbered texts.
func wantSaid(t *testing.T, c *testkit.Texter, want ...string) {
	t.Helper()
	got := slices.DeleteFunc(c.Take(), func(line string) bool { return strings.Contains(line, " message ") })
	if !slices.Equal(got, want) {
		t.Errorf("%s got %q, want %q", c.ID(), got, want)
	}
}

func TestDemoTokenEndsAndRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		enter := func(user string) *testkit.Texter {
			c := h.Text(h.Demo, h.Ticket(user))
			c.Say(`{"type":"jwt","token":"` + h.TokenFor(time.Hour, user) + `"}`)
			c.Take()
			return c
		}
		ann, bob := enter("ann"), enter("bob")
		time.Sleep(time.Hour - 30*time.Second)
		synctest.Wait()
		wantSaid(t, ann, "token expires soon")
		bob.Take()
		bob.Say(`{"type":"renew","token":"` + h.Token("ann") + `"}`)
		wantSaid(t, bob, "renewal refused")
		bob.Say(`{"type":"renew","token":"` + h.Token("bob") + `"}`)
		wantSaid(t, bob, "authentication renewed")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		wantSaid(t, ann, "close 1008 token expired")
		wantSaid(t, bob)
		ann.Leave()
		bob.Leave()
	})
}

// The program that is followed does not look at what comes before the token.
func TestTicketRoutesIgnoreWhatComesBeforeTheToken(t *testing.T) {
	for name, first := range map[string]string{
		"another type": `{"type":"event","data":{"n":1}}`, "a renewal": `{"type":"renew","token":"x"}`, "no JSON": `hello`,
		"null": `null`, "nothing": ``, "a number": `5`, "a list": `["jwt"]`, "a type that is no text": `{"type":{},"token":"x"}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := testkit.New(t)
			for _, d := range []app.TextHandler{h.Demo, h.Notification} {
				c, silent := h.Text(d, h.Ticket("ann")), h.Text(d, h.Ticket("ann"))
				for _, client := range []*testkit.Texter{c, silent} {
					client.Say(first)
					client.Want("connection established")
				}
				if len(h.Online("ann")) > 0 {
					t.Errorf("%s: the client is online", name)
				}
				c.Say(`{"type":"jwt","token":"` + h.Token("ann") + `"}`)
				c.Want("authentication successfull")
				time.Sleep(5 * time.Second)
				synctest.Wait()
				silent.Want("close 1008 not authenticated")
				c.Leave()
				silent.Leave()
			}
		})
	}
}

func FuzzFirstMessage(f *testing.F) {
	for _, seed := range []string{`{"type":"jwt","token":"a.b.c"}`, `{"type":"jwt"}`, `null`, `{`, "\xff"} {
		f.Add([]byte(seed))
	}
	h := testkit.New(f)
	ticket := h.Ticket("ann")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := h.TryText(h.Notification, ticket)
		if err != nil {
			t.Fatal(err)
		}
		c.Session.Text(data)
		got := fmt.Sprint(c.Take())
		if got != "[connection established close 1008 authentication failed]" && got != "[connection established]" {
			t.Fatalf("%q: %s", data, got)
		}
		c.Leave()
	})
}
