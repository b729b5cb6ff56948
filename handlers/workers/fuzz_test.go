package workers

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"testing"

	"signalbox/handlers/router"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// lonely is a node that nobody hears.
type lonely struct{ hub.Nodes }

func (lonely) TellNode(string, string, []byte) {}

// FuzzNodes: whatever other nodes tell, nobody is harmed.
func FuzzNodes(f *testing.F) {
	f.Add([]byte(`{"node":"n","workers":[{"id":"a","events":["/game:*"]}]}`))
	f.Add([]byte("{\"node\":\"n\",\"worker\":\"a\",\"id\":1,\"ms\":10,\"events\":1}\n{}"))
	f.Add([]byte("{\"id\":1,\"reason\":\"x\"}\n"))
	allowed, err := router.ParsePatterns("/game:*")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := New(Options{OutsideOptions: router.OutsideOptions{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, Allowed: allowed})
		w.o.Nodes = lonely{}
		w.hearList(bytes.Clone(body))
		w.hearAsk(bytes.Clone(body))
		w.hearAnswer(bytes.Clone(body))
		for _, o := range w.list {
			if o.node == "" || len(o.claims) == 0 {
				t.Errorf("%q made a worker of node %q with %d claims", body, o.node, len(o.claims))
			}
		}
	})
}

// FuzzResult: an answer is one result or an error.
func FuzzResult(f *testing.F) {
	for _, seed := range []string{`{"results":[{}]}`, `{"results":[]}`, `{"results":[1,2]}`, `null`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if rawjson.Check(answer) == nil {
			if o := result([]json.RawMessage{answer}, nil); (o.err == nil) == (o.result == nil) {
				t.Errorf("%q: %+v", answer, o)
			}
		}
	})
}
