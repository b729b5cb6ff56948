package handlers

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/hub"
)

// channels is the pub/sub of Redis for one node of a cloud: it takes a payload to all other nodes, and to any program.
type channels struct {
	node   *cloudNode
	others func() []*house // those of the other nodes
	heard  []string        // by the other programs
}

func (c *channels) Publish(channel string, payload []byte) bool {
	if c.node.isAway() {
		return false
	}
	c.heard = append(c.heard, channel+" "+string(payload))
	for _, h := range c.others() {
		if o := h.hub.Bus.(*cloudNode); !o.isAway() {
			o.push(func() { _ = h.doors.Publisher.Receive(channel, payload) })
		}
	}
	return true
}

// newHouses returns the handlers of the doors on n nodes of a cloud, joined by channels.
func newHouses(t *testing.T, c *cloud, n int, change ...func(*DoorsOptions)) ([]*house, []*channels) {
	houses, pipes := make([]*house, n), make([]*channels, n)
	for i := range houses {
		pipes[i] = &channels{others: func() (others []*house) {
			for j, h := range houses {
				if j != i {
					others = append(others, h)
				}
			}
			return others
		}}
		houses[i] = newHouse(t, append(change, c.member, func(o *DoorsOptions) {
			pipes[i].node = o.Hub.(*hub.Hub).Bus.(*cloudNode)
			o.Channels = pipes[i]
		})...)
	}
	return houses, pipes
}

func TestPublishOverNodes(t *testing.T) {
	c := newCloud(t)
	houses, pipes := newHouses(t, c, 3)
	near, far := houses[0].userEvents("ann"), houses[1].userEvents("ann")
	note := houses[2].proved(houses[2].doors.Notification, "ann")
	updates := houses[2].events()
	var mu sync.Mutex
	var subscribed []string
	for _, h := range houses[:2] {
		defer h.doors.Publisher.Subscribe("user:*", func(channel string, payload []byte) {
			mu.Lock()
			defer mu.Unlock()
			subscribed = append(subscribed, channel+" "+string(payload))
		})()
	}
	payload := []byte(`{"type":"order","data":{"n":1.0}}`)
	n, complete, err := houses[0].doors.Publisher.Publish(t.Context(), "user:ann", payload)
	if n != 3 || !complete || err != nil {
		t.Errorf("Publish = %d, %v, %v, want 3, true, nil", n, complete, err)
	}
	scribble(payload)
	c.settle()
	near.want(`event: order | data: {"n":1.0}`)
	far.want(`event: order | data: {"n":1.0}`)
	note.want(`{"type":"order","data":{"n":1.0}}`)
	wantNothing(updates)
	mu.Lock()
	defer mu.Unlock()
	if len(subscribed) != 2 || subscribed[0] != subscribed[1] || subscribed[0] != `user:ann {"type":"order","data":{"n":1.0}}` {
		t.Errorf("subscribers got %q, want the payload at both nodes", subscribed)
	}
	if got := pipes[0].heard; len(got) != 1 || got[0] != `user:ann {"type":"order","data":{"n":1.0}}` {
		t.Errorf("other programs heard %q, want the payload once", got)
	}

	n, complete, err = houses[1].doors.Publisher.Publish(t.Context(), "update", []byte(`[1]`))
	if n != 1 || !complete || err != nil {
		t.Errorf("Publish(update) = %d, %v, %v, want 1, true, nil", n, complete, err)
	}
	c.settle()
	updates.want("event: update | data: [1]")

	n, complete, err = houses[0].doors.Publisher.Publish(t.Context(), "user:ann", []byte(`{"data":1}`))
	if n != 0 || complete || !errors.Is(err, ErrType) || len(pipes[0].heard) != 1 {
		t.Errorf("Publish without a type = %d, %v, %v, and others heard %d, want 0, false, ErrType, 1", n, complete, err, len(pipes[0].heard))
	}
	c.settle()
	wantNothing(near, far, note)
}

func TestPublishThatDoesNotReachAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		houses, _ := newHouses(t, c, 3)
		near, far, gone := houses[0].userEvents("ann"), houses[1].userEvents("ann"), houses[2].userEvents("ann")
		publish := func(ctx context.Context, want int, complete bool) {
			t.Helper()
			n, all, err := houses[0].doors.Publisher.Publish(ctx, "user:ann", []byte(`{"type":"a","data":1}`))
			if n != want || all != complete || err != nil {
				t.Errorf("Publish = %d, %v, %v, want %d, %v, nil", n, all, err, want, complete)
			}
			synctest.Wait()
		}
		const got = "event: a | data: 1"

		pipe := houses[0].doors.Publisher.nodes.(*cloudNode)
		pipe.setAway(true)
		publish(t.Context(), 1, false) // nobody is asked who could not be told
		near.want(got)
		wantNothing(far, gone)
		pipe.setAway(false)

		// A node that is stuck is waited for, but not for long; one that writes nonsense is not counted.
		houses[2].hub.Bus.(*cloudNode).asks[topicPublishCount] = func(context.Context, []byte) []byte { return []byte("?") }
		publish(t.Context(), 2, false)
		near.want(got)
		far.want(got)
		gone.want(got)
		houses[2].hub.Bus.(*cloudNode).asks[topicPublishCount] = func(ctx context.Context, _ []byte) []byte {
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
		for _, l := range []*listener{near, far, gone} {
			l.leave()
		}
	})
}

func TestReceive(t *testing.T) {
	c := newCloud(t)
	houses, pipes := newHouses(t, c, 2)
	near, far := houses[0].userEvents("ann"), houses[1].userEvents("ann")
	room := houses[0].watch("tea", houses[0].token("ann"))
	for name, tc := range map[string]struct {
		channel, payload string
		err              error
		user, room       string
	}{
		"to a user":              {"user:ann", `{"type":"a","data":[1]}`, nil, "event: a | data: [1]", ""},
		"without data":           {"user:ann", `{"type":"a","b":1}`, nil, `event: a | data: {"type":"a","b":1}`, ""},
		"to a room":              {"room:tea", `{"type":"a","data":2}`, nil, "", "event: a | data: 2"},
		"to all":                 {"broadcast", `{"type":"a","data":3}`, nil, "event: a | data: 3", ""},
		"no type":                {"user:ann", `{"data":1}`, ErrType, "", ""},
		"no JSON":                {"user:ann", `hello`, ErrPayload, "", ""},
		"nothing":                {"room:tea", ``, ErrPayload, "", ""},
		"a channel we do not do": {"news", `{"type":"a"}`, ErrChannel, "", ""},
	} {
		payload := []byte(tc.payload)
		err := houses[0].doors.Publisher.Receive(tc.channel, payload)
		scribble(payload)
		if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.err)
		}
		for _, l := range []struct {
			listener *listener
			want     string
		}{{near, tc.user}, {room, tc.room}} {
			if l.want == "" {
				wantNothing(l.listener)
			} else {
				l.listener.want(l.want)
			}
		}
	}
	c.settle()
	wantNothing(far) // the other node has heard it itself
	if len(pipes[0].heard) != 0 {
		t.Errorf("it was published again: %q", pipes[0].heard)
	}
}

func TestDemoBroadcastsStayOnTheirNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		houses, _ := newHouses(t, c, 2)
		ann := houses[0].proved(houses[0].doors.Demo, "ann")
		time.Sleep(time.Second)
		bob := houses[1].proved(houses[1].doors.Demo, "bob")
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		ann.want("broadcast message 0")
		bob.want("broadcast message 0")
		ann.leave()
		bob.leave()
	})
}
