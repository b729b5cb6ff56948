package publish_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/message"
	"signalbox/handlers/testkit"
)

func TestUserStreams(t *testing.T) {
	h := testkit.New(t)
	for name, tc := range map[string]struct {
		user, token string
		status      int
	}{
		"the user's own":    {"ann", h.Token("ann"), 0},
		"without a token":   {"ann", "", 401},
		"with a bad token":  {"ann", "x", 401},
		"of another user":   {"bob", h.Token("ann"), 403},
		"of nobody":         {"", h.Token("ann"), 403},
		"by case":           {"ANN", h.Token("ann"), 403},
		"an expired token":  {"ann", testkit.Expired(), 401},
		"a number as a sub": {"42", h.Token("42"), 0},
	} {
		c, err := h.UserStream(tc.user, tc.token)
		if testkit.Status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("%s: %v, want %d", name, err, tc.status)
		}
		testkit.WantNothing(c) // and nothing before what is published
		c.Leave()
	}
}

func TestUserStreamEndsWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		c, err := h.UserStream("ann", h.TokenFor(time.Hour, "ann"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		c.Want(`event: token_expiring | data: {"expiresAt":"ISO"}`, "close")
		c.Leave()
	})
}

func TestRecord(t *testing.T) {
	for want, got := range map[string][]byte{
		"data: {\"a\":1}\n\n":                   message.AppendRecord(nil, "", "", []byte(`{"a":1}`)),
		"event: e\ndata: [1,\"\\n\",2]\n\n":     message.AppendRecord(nil, "", "e", []byte("[1,\r\n\"\\n\",\n2]")),
		"id: 1-2\nevent: e\ndata: \"a  b\"\n\n": message.AppendRecord(nil, "1-2", "e", []byte(`"a  b"`)),
		"data: null\n\n":                        message.AppendRecord(nil, "", "", []byte("{\n")),
	} {
		if string(got) != want {
			t.Errorf("message.AppendRecord = %q, want %q", got, want)
		}
	}
	if strings.ContainsAny(string(message.OneLine([]byte("[\r1\n]"))), "\r\n") {
		t.Error("a line break is left")
	}
}
