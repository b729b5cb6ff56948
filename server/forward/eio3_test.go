package forward

import (
	"regexp"
	"strings"
	"testing"
)

// TestEIO3 has a client of Engine.IO 3 poll at two servers. Its session is its address's at either: others see the id.
func TestEIO3(t *testing.T) {
	a, b, _ := three(t)
	for _, n := range []*node{a, b} {
		n.version, n.dialed = "3", "203.0.113.7"
	}
	_, open, _ := a.ask(t, "GET", "", "")
	found := regexp.MustCompile(`^\d+:0\{"sid":"(aaaa.{16})"`).FindStringSubmatch(open)
	if found == nil {
		t.Fatalf("open is %q", open)
	}
	query := "&sid=" + found[1]
	for _, n := range []*node{b, a, b} {
		if status, body, _ := n.ask(t, "POST", query, "6:4h\u00e9llo"); status != 200 || body != "ok" {
			t.Errorf("post at %s = %d %s", n.id, status, body)
		}
		if status, body, _ := n.ask(t, "GET", query, ""); status != 200 || !strings.Contains(body, "h\u00e9llo") && !strings.Contains(body, "h\xc3\xa9llo") {
			t.Errorf("poll at %s = %d %q", n.id, status, body)
		}
	}
	for _, method := range []string{"GET", "POST"} {
		b.dialed = "203.0.113.8"
		if status, body, _ := b.ask(t, method, query, "6:4hello"); status != 400 || !strings.Contains(body, `"code":1`) {
			t.Errorf("%s of somebody else = %d %s", method, status, body)
		}
	}
	b.dialed = a.dialed
	if status, body, _ := b.ask(t, "POST", query, "6:4hello"); status != 200 {
		t.Errorf("its own = %d %s", status, body)
	}
}
