package api

import (
	"fmt"
	"testing"

	"signalbox/server/app"
)

func TestPublish(t *testing.T) {
	type call struct{ channel, message string }
	var got []call
	f := &fake{publish: func(channel string, message []byte) (int, error) {
		got = append(got, call{channel, string(message)})
		switch channel {
		case "nowhere":
			return 0, app.ErrChannel
		case "picky":
			return 0, fmt.Errorf("%w: no type", app.ErrMessage)
		}
		return 3, nil
	}}
	a := newTestAPI(f)
	const message = `{ "data": {"b":1.0, "a":"\u00e9"},"type":"t"}`
	for path, channel := range map[string]string{
		"/api/publish/update":            "update",
		"/api/publish/user:42":           "user:42",
		"/api/publish/room:a/b":          "room:a/b",
		"/api/publish/room:a%2Fb+c%20d%": "", // half an escape
		"/api/publish/room:a%2Fb+c%20d":  "room:a/b+c d",
		"/api/publish/user:100%25":       "user:100%",
		"/api/publish/user:J%C3%BCrgen":  "user:Jürgen",
		"/api/publish/user:%ff":          "",
		"/api/publish/":                  "",
	} {
		got = nil
		if channel == "" {
			if path == "/api/publish/room:a%2Fb+c%20d%" {
				continue // net/http does not let it in
			}
			status, body := ask(t, a, "POST", path, message)
			wantFault(t, status, body, CodeInvalidRequest)
			continue
		}
		status, body := ask(t, a, "POST", path, message)
		if status != 200 || body != `{"ok":true,"delivered":3}` {
			t.Errorf("publish on %s = %d %s", path, status, body)
		}
		if len(got) != 1 || got[0] != (call{channel, message}) {
			t.Errorf("publish on %s passed on %q, want %s and the bytes as they came", path, got, channel)
		}
	}
	for body, code := range map[string]Code{
		``:                           CodeInvalidRequest,
		`{}`:                         CodeInvalidRequest,
		`{"data":1}`:                 CodeInvalidRequest,
		`{"type":""}`:                CodeInvalidRequest,
		`{"type":null}`:              CodeInvalidRequest,
		`{"type":"a","type":"b"}`:    CodeInvalidRequest,
		`{"type":"a","\u0074ype":1}`: CodeInvalidRequest,
		`{"type":"a","to":"b"}`:      CodeUnknownField,
	} {
		got = nil
		status, answer := ask(t, a, "POST", "/api/publish/broadcast", body)
		wantFault(t, status, answer, code)
		if got != nil {
			t.Errorf("%s was published", body)
		}
	}
	for _, any := range []string{`{"k":1}`, ` [1,null] `, `"x"`, `5`, `null`, `{"type":5}`} {
		got = nil
		if status, body := ask(t, a, "POST", "/api/publish/update", any); status != 200 || len(got) != 1 || got[0].message != any {
			t.Errorf("publish %s on update = %d %s, passed on as %q", any, status, body, got)
		}
	}
	for _, bad := range []string{``, `{`, `1 2`, "\"\xff\""} {
		got = nil
		status, body := ask(t, a, "POST", "/api/publish/update", bad)
		wantFault(t, status, body, CodeInvalidJSON)
		if got != nil {
			t.Errorf("%s was published", bad)
		}
	}
	status, body := ask(t, a, "POST", "/api/publish/nowhere", message)
	wantFault(t, status, body, CodeInvalidChannel)
	status, body = ask(t, a, "POST", "/api/publish/picky", message)
	wantFault(t, status, body, CodeInvalidRequest)
	for _, data := range []string{`null`, `[1,null]`, `"x"`, `1e400`} {
		if status, body := ask(t, a, "POST", "/api/publish/update", `{"type":"t","data":`+data+`}`); status != 200 {
			t.Errorf("data %s = %d %s", data, status, body)
		}
	}
	f.partial = true
	if status, body := ask(t, a, "POST", "/api/publish/update", message); status != 200 || body != `{"ok":true,"delivered":3,"partial":true}` {
		t.Errorf("publish that not every node has answered = %d %s, want it to say partial", status, body)
	}
}
