package handlers

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func (h *house) userStream(user, token string) (*listener, error) {
	return h.tryStream(h.doors.Events.User(), visit(token, map[string]string{"userId": user}, nil))
}

func (h *house) userEvents(user string) *listener {
	h.t.Helper()
	c, err := h.userStream(user, h.token(user))
	if err != nil {
		h.t.Fatalf("stream of %s: %v", user, err)
	}
	h.t.Cleanup(c.leave)
	return c
}

func TestUserStreams(t *testing.T) {
	h := newHouse(t)
	for name, tc := range map[string]struct {
		user, token string
		status      int
	}{
		"the user's own":    {"ann", h.token("ann"), 0},
		"without a token":   {"ann", "", 401},
		"with a bad token":  {"ann", "x", 401},
		"of another user":   {"bob", h.token("ann"), 403},
		"of nobody":         {"", h.token("ann"), 403},
		"by case":           {"ANN", h.token("ann"), 403},
		"an expired token":  {"ann", expired, 401},
		"a number as a sub": {"42", h.token("42"), 0},
	} {
		c, err := h.userStream(tc.user, tc.token)
		if status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("%s: %v, want %d", name, err, tc.status)
		}
		wantNothing(c) // and nothing before what is published
		c.leave()
	}
}

func TestUserStreamEndsWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c, err := h.userStream("ann", h.tokenFor(time.Hour, "ann"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		c.want(`event: token_expiring | data: {"expiresAt":"ISO"}`, "close")
		c.leave()
	})
}

func TestRecord(t *testing.T) {
	for want, got := range map[string][]byte{
		"data: {\"a\":1}\n\n":                   appendRecord(nil, "", "", []byte(`{"a":1}`)),
		"event: e\ndata: [1,\"\\n\",2]\n\n":     appendRecord(nil, "", "e", []byte("[1,\r\n\"\\n\",\n2]")),
		"id: 1-2\nevent: e\ndata: \"a  b\"\n\n": appendRecord(nil, "1-2", "e", []byte(`"a  b"`)),
		"data: null\n\n":                        appendRecord(nil, "", "", []byte("{\n")),
	} {
		if string(got) != want {
			t.Errorf("appendRecord = %q, want %q", got, want)
		}
	}
	if strings.ContainsAny(string(oneLine([]byte("[\r1\n]"))), "\r\n") {
		t.Error("a line break is left")
	}
}
