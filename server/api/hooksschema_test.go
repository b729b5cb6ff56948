package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/app"
	"signalbox/server/hub"
)

// stranger is a client of which the envelopes tell.
type stranger struct{ app.Peer }

func (stranger) ID() string        { return "sid" }
func (stranger) Namespace() string { return "/game" }

// TestHooksSchema holds what is posted and what is taken against the schema that is served.
func TestHooksSchema(t *testing.T) {
	res := do(t, newTestAPI(new(fake)), "GET", "/api/hooks.schema.json", "", "X-API-Key", "")
	var doc node
	if err := json.Unmarshal(res.Body.Bytes(), &doc); err != nil || res.Code != 200 {
		t.Fatalf("%d %v", res.Code, err)
	}
	holds := func(def string, text []byte) {
		t.Helper()
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := check(doc, node{"$ref": "#/$defs/" + def}, v, def); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	s := &router.Socket{Peer: stranger{}, Visit: "v"}
	s.Named("42")
	s.SetData(json.RawMessage(`{"n":1}`))
	event := router.Event{Socket: s, ID: "sid.1", Seq: 1, Name: "x", RawName: []byte(`"x"`), Ack: true,
		Args: []json.RawMessage{[]byte(`1`), []byte(`{"_placeholder":true,"num":0}`)}, Attachments: [][]byte{{1}}}
	connect := router.Connect{Socket: s, Auth: []byte(`{}`), Query: map[string]string{"a": "b"}, Address: "127.0.0.1",
		Headers: func(string) string { return "x" }, Claims: []byte(`{"sub":"42"}`)}
	body := append([]byte(`{"events":[`), event.AppendEnvelope(nil)...)
	body = append(append(body, ','), connect.AppendEnvelope(nil, []string{"origin"})...)
	body = append(append(body, ','), s.AppendDisconnect(nil, "transport close")...)
	for _, told := range told(t) {
		body = append(append(body, ','), told...)
	}
	holds("request", append(body, "]}"...))

	for _, result := range []string{
		`{}`,
		`{"ack":[1],"attachments":["AQI="],"join":["a",5],"leave":["b"],"data":{"x":1},"disconnect":"close","error":"no",
			"emit":[{"to":["tea"],"users":[7],"except":["sid"],"event":"x","args":[1]},{"to":"*","event":"y"},{"event":"z"}]}`,
	} {
		holds("result", []byte(result))
		if _, err := router.DecodeResult([]byte(result)); err != nil {
			t.Errorf("%s fits the schema, and is not taken: %v", result, err)
		}
	}
	for _, welcome := range []string{`{}`, `{"user":7,"rooms":["a"],"data":1,"expiresAt":2000000000.5,"emit":[{"event":"hi"}]}`} {
		holds("welcome", []byte(welcome))
		if _, err := router.DecodeWelcome([]byte(welcome)); err != nil {
			t.Errorf("%s fits the schema, and is not taken: %v", welcome, err)
		}
	}
	refusal := `{"refuse":{"message":"no","data":{"code":1}}}`
	holds("welcome", []byte(refusal))
	if _, err := router.DecodeWelcome([]byte(refusal)); err == nil || err.Error() != "no" {
		t.Errorf("%s: %v", refusal, err)
	}
}

// heard are notices that a store is given.
type heard chan router.Notice

func (h heard) Put(n router.Notice, _ func(error)) { h <- n }
func (h heard) Delete(...string)                   {}

// told returns what is told of a room, and of its user as it looks.
func told(t *testing.T) []string {
	store := make(heard, 2)
	notices := router.NewNotices(router.NoticeOptions{Store: store})
	people := router.NewOccupancy(router.OccupancyOptions{
		Kinds: []string{router.Occupied}, Grace: time.Hour, Nodes: hub.Alone, Notices: func(string) *router.Notices { return notices },
	})
	t.Cleanup(people.Close)
	h := hub.New()
	h.Watch(people)
	m := hub.NewMember("sid", nil)
	h.Join(m, hub.NamespaceRoom("/game", "tea"))
	h.Show(m)
	list := []string{string((<-store).Body), string((<-store).Body)}
	for _, room := range list {
		list = append(list, strings.NewReplacer(`"room"`, `"user"`, "occupied", "online", "vacated", "offline").Replace(room))
	}
	return list
}
