package publish_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/publish"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
)

func TestPublishOverNodes(t *testing.T) {
	c := testkit.NewCloud(t)
	houses, pipes := testkit.NewHouses(t, c, 3)
	near, far := houses[0].UserEvents("ann"), houses[1].UserEvents("ann")
	note := houses[2].Proved(houses[2].Notification, "ann")
	updates := houses[2].Events()
	payload := []byte(`{"type":"order","data":{"n":1.0}}`)
	n, _, complete, err := houses[0].Publisher.Publish(t.Context(), "user:ann", payload)
	if n != 3 || !complete || err != nil {
		t.Errorf("Publish = %d, %v, %v, want 3, true, nil", n, complete, err)
	}
	testkit.Scribble(payload)
	c.Settle()
	near.Want(`event: order | data: {"n":1.0}`)
	far.Want(`event: order | data: {"n":1.0}`)
	note.Want(`{"type":"order","data":{"n":1.0}}`)
	testkit.WantNothing(updates)
	if got := pipes[0].Heard; len(got) != 1 || got[0] != `user:ann {"type":"order","data":{"n":1.0}}` {
		t.Errorf("other programs heard %q, want the payload once", got)
	}

	n, _, complete, err = houses[1].Publisher.Publish(t.Context(), "update", []byte(`[1]`))
	if n != 1 || !complete || err != nil {
		t.Errorf("Publish(update) = %d, %v, %v, want 1, true, nil", n, complete, err)
	}
	c.Settle()
	updates.Want("event: update | data: [1]")

	n, _, complete, err = houses[0].Publisher.Publish(t.Context(), "user:ann", []byte(`{"data":1}`))
	if n != 0 || complete || !errors.Is(err, app.ErrMessage) || len(pipes[0].Heard) != 1 {
		t.Errorf("Publish without a type = %d, %v, %v, and others heard %d, want 0, false, app.ErrMessage, 1", n, complete, err, len(pipes[0].Heard))
	}
	c.Settle()
	testkit.WantNothing(near, far, note)
}

// Those of Node servers are counted, where an event goes there.
func TestPublishCountsTheClientsOfOtherServers(t *testing.T) {
	c := testkit.NewCloud(t)
	houses, _ := testkit.NewHouses(t, c, 2)
	houses[0].Hub.Bus.(*testkit.CloudNode).ForeignSockets = 2
	near := houses[0].UserEvents("ann")
	if n, _, complete, err := houses[0].Publisher.Publish(t.Context(), "user:ann", []byte(`{"type":"a","data":1}`)); n != 3 || !complete || err != nil {
		t.Errorf("Publish = %d, %v, %v, want 3, true, nil", n, complete, err)
	}
	if n, _, complete, err := houses[0].Publisher.Publish(t.Context(), "update", []byte(`1`)); n != 0 || !complete || err != nil {
		t.Errorf("Publish(update) = %d, %v, %v, want 0, true, nil", n, complete, err)
	}
	near.Want("event: a | data: 1")
}

func TestPublishThatDoesNotReachAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		houses, _ := testkit.NewHouses(t, c, 3)
		near, far, gone := houses[0].UserEvents("ann"), houses[1].UserEvents("ann"), houses[2].UserEvents("ann")
		publish := func(ctx context.Context, want int, complete bool) {
			t.Helper()
			n, _, all, err := houses[0].Publisher.Publish(ctx, "user:ann", []byte(`{"type":"a","data":1}`))
			if n != want || all != complete || err != nil {
				t.Errorf("Publish = %d, %v, %v, want %d, %v, nil", n, all, err, want, complete)
			}
			synctest.Wait()
		}
		const got = "event: a | data: 1"

		pipe := houses[0].Hub.Bus.(*testkit.CloudNode)
		pipe.SetAway(true)
		publish(t.Context(), 1, false) // nobody is asked who could not be told
		near.Want(got)
		testkit.WantNothing(far, gone)
		pipe.SetAway(false)

		// A node that is stuck is waited for, but not for long; one that writes nonsense is not counted.
		houses[2].Hub.Bus.(*testkit.CloudNode).Asks["publish.count"] = func(context.Context, []byte) []byte { return []byte("?") }
		publish(t.Context(), 2, false)
		near.Want(got)
		far.Want(got)
		gone.Want(got)
		houses[2].Hub.Bus.(*testkit.CloudNode).Asks["publish.count"] = func(ctx context.Context, _ []byte) []byte {
			time.Sleep(5 * time.Second)
			return nil
		}
		start := time.Now()
		publish(t.Context(), 2, false)
		if took := time.Since(start); took != time.Second {
			t.Errorf("Publish took %v, want 1s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start = time.Now()
		publish(ctx, 2, false)
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("Publish took %v, want as long as the caller waits", took)
		}
		time.Sleep(10 * time.Second)
		for _, l := range []*testkit.Listener{near, far, gone} {
			l.Leave()
		}
	})
}

func TestReceive(t *testing.T) {
	c := testkit.NewCloud(t)
	houses, pipes := testkit.NewHouses(t, c, 2)
	near, far := houses[0].UserEvents("ann"), houses[1].UserEvents("ann")
	room := houses[0].Watch("tea", houses[0].Token("ann"))
	for name, tc := range map[string]struct {
		channel, payload string
		err              error
		user, room       string
	}{
		"to a user":              {"user:ann", `{"type":"a","data":[1]}`, nil, "event: a | data: [1]", ""},
		"without data":           {"user:ann", `{"type":"a","b":1}`, nil, `event: a | data: {"type":"a","b":1}`, ""},
		"to a room":              {"room:tea", `{"type":"a","data":2}`, nil, "", "event: a | data: 2"},
		"to all":                 {"broadcast", `{"type":"a","data":3}`, nil, "event: a | data: 3", ""},
		"no type":                {"user:ann", `{"data":1}`, app.ErrMessage, "", ""},
		"no JSON":                {"user:ann", `hello`, app.ErrMessage, "", ""},
		"nothing":                {"room:tea", ``, app.ErrMessage, "", ""},
		"a channel we do not do": {"news", `{"type":"a"}`, app.ErrChannel, "", ""},
	} {
		payload := []byte(tc.payload)
		err := publish.Receive(houses[0].Hub, tc.channel, payload)
		testkit.Scribble(payload)
		if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.err)
		}
		for _, l := range []struct {
			listener *testkit.Listener
			want     string
		}{{near, tc.user}, {room, tc.room}} {
			if l.want == "" {
				testkit.WantNothing(l.listener)
			} else {
				l.listener.Want(l.want)
			}
		}
	}
	c.Settle()
	testkit.WantNothing(far) // the other node has heard it itself
	if len(pipes[0].Heard) != 0 {
		t.Errorf("it was published again: %q", pipes[0].Heard)
	}
}

func TestDemoBroadcastsStayOnTheirNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		houses, _ := testkit.NewHouses(t, c, 2)
		ann := houses[0].Proved(houses[0].Demo, "ann")
		time.Sleep(time.Second)
		bob := houses[1].Proved(houses[1].Demo, "bob")
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		ann.Want("broadcast message 0")
		bob.Want("broadcast message 0")
		ann.Leave()
		bob.Leave()
	})
}
