package api

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/hub"
)

func user(name string) hub.Room    { return hub.Room{Kind: hub.KindUser, Name: name} }
func lobby(name string) hub.Room   { return hub.Room{Kind: hub.KindLobby, Name: name} }
func account(name string) hub.Room { return hub.Room{Kind: hub.KindAccount, Name: name} }
func inChat(name string) hub.Room  { return hub.Room{Kind: hub.KindRoom, Name: name} }

func TestEmitSelects(t *testing.T) {
	nobody := hub.Selection{Rooms: []hub.Room{user("nobody was selected")}}
	var to hub.Selection
	a := newTestAPI(&fake{emit: func(s hub.Selection, _ *hub.Message) int { to = s; return 1 }})
	for body, want := range map[string]hub.Selection{
		`{"event":"e"}`:                                                  {},
		`{"event":"e","users":[42,"ann"]}`:                               {Rooms: []hub.Room{user("42"), user("ann")}},
		`{"event":"e","users":[42.0,1e21,-0]}`:                           {Rooms: []hub.Room{user("42"), user("1e+21"), user("0")}},
		`{"event":"e","rooms":["den",7]}`:                                {Rooms: []hub.Room{lobby("den"), lobby("7")}},
		`{"event":"e","users":[""],"rooms":["a"]}`:                       {Rooms: []hub.Room{user(""), lobby("a")}},
		`{"event":"e","users":[],"rooms":["a"]}`:                         {Rooms: []hub.Room{lobby("a")}},
		`{"event":"e","users":[]}`:                                       nobody,
		`{"event":"e","rooms":[]}`:                                       nobody,
		`{"event":"e","rooms":[],"users":[]}`:                            nobody,
		`{"event":"e","namespace":"/chat","users":["42"],"rooms":["a"]}`: {Rooms: []hub.Room{account("42"), inChat("a")}},
		`{"event":"e","namespace":"/lib","rooms":["a"]}`:                 {Rooms: []hub.Room{hub.NamespaceRoom("/lib", "a")}},
		`{"event":"e","except":["ann","x"]}`: {
			Except: []hub.Room{user("ann"), user("x"), lobby("ann"), lobby("x"), hub.SocketRoom("/", "ann"), hub.SocketRoom("/", "x")},
		},
		`{"event":"e","except":{"users":["x"]}}`:                         {Except: []hub.Room{user("x")}},
		`{"event":"e","except":{"rooms":["x"]}}`:                         {Except: []hub.Room{lobby("x")}},
		`{"event":"e","except":{"sockets":["ann","bob"]}}`:               {Except: []hub.Room{hub.SocketRoom("/", "ann"), hub.SocketRoom("/", "bob")}},
		`{"event":"e","namespace":"/chat","except":{"sockets":["bob"]}}`: {Except: []hub.Room{hub.SocketRoom("/chat", "bob")}},
		`{"event":"e","namespace":"/lib","except":["x"]}`:                {Except: []hub.Room{hub.NamespaceRoom("/lib", "x"), hub.SocketRoom("/lib", "x")}},
		`{"event":"e","namespace":"/lib","except":{"rooms":["x"]}}`:      {Except: []hub.Room{hub.NamespaceRoom("/lib", "x")}},
		`{"event":"e","users":["a"],"except":{}}`:                        {Rooms: []hub.Room{user("a")}},
	} {
		to = nobody
		status, answer := ask(t, a, "POST", "/api/emit", body)
		if status != 200 || !reflect.DeepEqual(to, want) {
			t.Errorf("%s = %d %s to %v, want %v", body, status, answer, to, want)
		}
		if wantN := `{"ok":true,"delivered":1}`; reflect.DeepEqual(want, nobody) == (answer == wantN) {
			t.Errorf("%s = %s", body, answer)
		}
	}
}

func TestEmitRefuses(t *testing.T) {
	called := false
	f := &fake{emit: func(hub.Selection, *hub.Message) int { called = true; return 0 }}
	a := newTestAPI(f, func(c *Config) { c.MaxBodyBytes = 1 << 20 })
	many := `{"event":"e","users":[1` + strings.Repeat(`,1`, maxNames) + `]}`
	for body, part := range map[string]string{
		``:                            "event is missing",
		`{"event":""}`:                "event must be text",
		`{"event":null}`:              "event must be text",
		`{"event":["e"]}`:             "event must be text",
		`{"event":"connect"}`:         "keep for themselves",
		`{"event":"disconnec\u0074"}`: "keep for themselves",
		`{"event":"e","args":` + strings.Repeat("[", 512) + strings.Repeat("]", 512) + `}`: "nests deeper than 512",
		`{"event":"e","namespace":"chat"}`:                                                 "begin with a slash",
		`{"event":"e","namespace":""}`:                                                     "begin with a slash",
		`{"event":"e","namespace":"/a,b"}`:                                                 "begin with a slash",
		`{"event":"e","namespace":null}`:                                                   "namespace must be",
		`{"event":"e","users":null}`:                                                       "users must be a list",
		`{"event":"e","users":"42"}`:                                                       "users must be a list",
		`{"event":"e","users":{"a":1}}`:                                                    "users must be a list",
		`{"event":"e","users":[null]}`:                                                     "neither text nor a number",
		`{"event":"e","users":[[1]]}`:                                                      "neither text nor a number",
		`{"event":"e","users":[true]}`:                                                     "neither text nor a number",
		`{"event":"e","users":[9007199254740993]}`:                                         "write it as text",
		`{"event":"e","users":[1e999]}`:                                                    "JavaScript cannot hold",
		`{"event":"e","rooms":null}`:                                                       "rooms must be a list",
		`{"event":"e","except":null}`:                                                      "except must be",
		`{"event":"e","except":"x"}`:                                                       "except must be",
		`{"event":"e","except":{"users":1}}`:                                               "except: users must be",
		`{"event":"e","args":{}}`:                                                          "args must be a list",
		`{"event":"e","args":null}`:                                                        "args must be a list",
		`{"event":"e","ack":1}`:                                                            "ack must be true or false",
		`{"event":"e","timeoutMs":5}`:                                                      "needs ack",
		`{"event":"e","ack":true,"timeoutMs":0}`:                                           "1 to 60000",
		`{"event":"e","ack":true,"timeoutMs":60001}`:                                       "1 to 60000",
		`{"event":"e","ack":true,"timeoutMs":1.5}`:                                         "whole number",
		`{"event":"e","ack":true,"timeoutMs":"5"}`:                                         "whole number",
		`{"event":"e","namespace":"/lib","users":["a"]}`:                                   "has no users",
		`{"event":"e","namespace":"/lib","users":[]}`:                                      "has no users",
		`{"event":"e","namespace":"/lib","except":{"users":["a"]}}`:                        "has no users",
		many: "names are too many",
	} {
		status, answer := ask(t, a, "POST", "/api/emit", body)
		if message := wantFault(t, status, answer, CodeInvalidRequest); !strings.Contains(message, part) {
			t.Errorf("%.80s: message %q, want %q in it", body, message, part)
		}
	}
	status, answer := ask(t, a, "POST", "/api/emit", `{"event":"e","except":{"user":["a"]}}`)
	if message := wantFault(t, status, answer, CodeUnknownField); !strings.Contains(message, `except: "user" is not known`) {
		t.Errorf("message %q", message)
	}
	if called {
		t.Error("something was emitted")
	}
}

func TestEmitKeepsBytes(t *testing.T) {
	var got *hub.Message
	a := newTestAPI(&fake{emit: func(_ hub.Selection, m *hub.Message) int { got = m; return 0 }})
	status, answer := ask(t, a, "POST", "/api/emit",
		`{"event":"gr\u00fc\ud800n", "args":[ {"b" : 1.0,"a":12345678901234567890} ,null, "\u003c<", [] ],"namespace":"/x"}`)
	if status != 200 {
		t.Fatalf("emit = %d %s", status, answer)
	}
	if string(got.RawEvent) != `"gr\u00fc\ud800n"` || got.Namespace != "/x" {
		t.Errorf("event %s in %s", got.RawEvent, got.Namespace)
	}
	want := []string{`{"b" : 1.0,"a":12345678901234567890}`, `null`, `"\u003c<"`, `[]`}
	if text := fmt.Sprintf("%s", got.Args); text != fmt.Sprint(want) {
		t.Errorf("args = %s, want %s", text, want)
	}
}

func TestEmitWithAck(t *testing.T) {
	f := &fake{emitWithAck: func(_ context.Context, _ hub.Selection, _ *hub.Message, answer Answer) int {
		answer(`a"`, []json.RawMessage{json.RawMessage(`1.0`), json.RawMessage(`{"x" :1}`)}, nil)
		answer("", nil, nil)
		answer("c", []json.RawMessage{json.RawMessage(`{"_placeholder":true,"num":0}`)}, [][]byte{{1, 2}, {}})
		return 5
	}}
	a := newTestAPI(f)
	status, answer := ask(t, a, "POST", "/api/emit", `{"event":"q","ack":true}`)
	want := `{"ok":true,"delivered":5,"answers":[{"sid":"a\"","args":[1.0,{"x" :1}]},{"sid":"","args":[]},` +
		`{"sid":"c","args":[{"_placeholder":true,"num":0}],"attachments":["AQI=",""]}],"missing":2}`
	if status != 200 || answer != want {
		t.Errorf("emit with ack = %d %s, want %s", status, answer, want)
	}
	if !json.Valid([]byte(answer)) {
		t.Error("the answer is not JSON")
	}
	_, answer = ask(t, a, "POST", "/api/emit", `{"event":"q","ack":true,"users":[]}`)
	if want := `{"ok":true,"delivered":0,"answers":[],"missing":0}`; answer != want {
		t.Errorf("emit with ack to nobody = %s, want %s", answer, want)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	half := json.RawMessage(`"` + strings.Repeat("x", maxAnswerBytes/2) + `"`)
	var got answers
	got.add("a", []json.RawMessage{half}, nil)
	got.add("b", []json.RawMessage{half}, nil)
	got.add("c", nil, [][]byte{make([]byte, maxAnswerBytes)})
	got.add("d", nil, nil)
	reply := string(got.reply(5, true))
	if !strings.HasSuffix(reply, `{"sid":"d","args":[]}],"missing":1,"dropped":2}`) {
		t.Errorf("reply ends %s", reply[len(reply)-80:])
	}
}

// TestEmitWithAckTimes checks how long answers are waited for.
func TestEmitWithAckTimes(t *testing.T) {
	for body, want := range map[string]time.Duration{
		`{"event":"q","ack":true}`:                   5 * time.Second,
		`{"event":"q","ack":true,"timeoutMs":1}`:     time.Millisecond,
		`{"event":"q","ack":true,"timeoutMs":60000}`: time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			a := newTestAPI(&fake{emitWithAck: func(ctx context.Context, _ hub.Selection, _ *hub.Message, _ Answer) int {
				<-ctx.Done()
				return 1
			}})
			status, answer := ask(t, a, "POST", "/api/emit", body)
			if took := time.Since(start); took != want || status != 200 {
				t.Errorf("%s took %v, want %v: %d %s", body, took, want, status, answer)
			}
		})
	}
}
