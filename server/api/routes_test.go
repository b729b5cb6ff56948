package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"signalbox/store"
)

// sample is a request that succeeds, for each route.
type sample struct {
	method, path, body string
}

func samples() map[string]sample {
	return map[string]sample{
		"publish":    {"POST", "/api/publish/user:42", `{"type":"t","data":1}`},
		"emit":       {"POST", "/api/emit", `{"event":"e"}`},
		"rooms":      {"GET", "/api/rooms", ""},
		"roomUsers":  {"GET", "/api/rooms/team/users", ""},
		"user":       {"GET", "/api/users/42", ""},
		"disconnect": {"POST", "/api/users/42/disconnect", `{"close":true}`},
	}
}

func TestEveryRouteHasASample(t *testing.T) {
	if got, want := len(samples())+2, len(newTestAPI(new(fake)).Routes()); got != want {
		t.Errorf("%d samples with the description and the schema, %d routes", got, want)
	}
}

func TestKey(t *testing.T) {
	a, off := newTestAPI(new(fake)), newTestAPI(new(fake), func(c *Config) { c.Key = "" })
	for name, s := range samples() {
		for what, header := range map[string][]string{
			"no key":                   {"X-API-Key", ""},
			"wrong key":                {"X-API-Key", "x" + testKey},
			"first half of it":         {"X-API-Key", testKey[:8]},
			"wrong bearer":             {"X-API-Key", "", "Authorization", "Bearer x"},
			"another scheme":           {"X-API-Key", "", "Authorization", "Basic " + testKey},
			"wrong key, right bearer":  {"X-API-Key", "x", "Authorization", "Bearer " + testKey},
			"key as part of the query": {"X-API-Key", "", "X-Query", testKey},
		} {
			path := s.path
			if strings.HasPrefix(what, "key as") {
				path += "?key=" + testKey + "&token=" + testKey
			}
			res := do(t, a, s.method, path, s.body, header...)
			wantFault(t, res.Code, res.Body.String(), CodeUnauthorized)
			if res.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %s: no WWW-Authenticate", name, what)
			}
		}
		for what, header := range map[string][2]string{
			"header":               {"X-API-Key", testKey},
			"bearer":               {"Authorization", "Bearer " + testKey},
			"bearer in lower case": {"Authorization", "bearer  " + testKey},
		} {
			r := httptest.NewRequest(s.method, s.path, strings.NewReader(s.body))
			r.Header.Set(header[0], header[1])
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Errorf("%s with %s = %d %s", name, what, w.Code, w.Body)
			}
		}
		status, body := ask(t, off, s.method, s.path, s.body)
		wantFault(t, status, body, CodeDisabled)
		status, body = ask(t, off, s.method, s.path, s.body, "X-API-Key", "")
		wantFault(t, status, body, CodeDisabled)
	}
}

// TestBodies holds every route that takes a body against the ways in which one can be wrong.
func TestBodies(t *testing.T) {
	called := false
	f := new(fake)
	f.publish = func(string, []byte) (int, error) { called = true; return 0, nil }
	a := newTestAPI(f)
	large := `{"event":"` + strings.Repeat("x", 1000) + `"}`
	for name, s := range samples() {
		if s.method != "POST" {
			continue
		}
		for what, tt := range map[string]struct {
			body string
			code Code
		}{
			"half of it":        {`{"KNOWN":`, CodeInvalidJSON},
			"no JSON":           {`type=t`, CodeInvalidJSON},
			"list":              {`[]`, CodeInvalidJSON},
			"text":              {`"type"`, CodeInvalidJSON},
			"two values":        {`{} {}`, CodeInvalidJSON},
			"comma at the end":  {`{"nope":1,}`, CodeInvalidJSON},
			"no colon":          {`{"KNOWN" "t"}`, CodeInvalidJSON},
			"key that is none":  {`{type:"t"}`, CodeInvalidJSON},
			"no UTF-8":          {"{\"type\":\"\xff\"}", CodeInvalidJSON},
			"deep":              {`{"KNOWN":` + strings.Repeat("[", 400), CodeInvalidJSON},
			"unknown member":    {`{"typ":"t"}`, CodeUnknownField},
			"name in capitals":  {`{"Type":"t","EVENT":"e","Close":true}`, CodeUnknownField},
			"too large":         {large, CodeTooLarge},
			"wrong type, known": {`{"type":1,"event":1,"close":1}`, ""},
		} {
			known := map[string]string{"publish": "type", "emit": "event", "disconnect": "close"}[name]
			status, body := ask(t, a, s.method, s.path, strings.ReplaceAll(tt.body, "KNOWN", known))
			if tt.code != "" {
				message := wantFault(t, status, body, tt.code)
				if tt.code == CodeUnknownField && !strings.Contains(message, `"`) {
					t.Errorf("%s, %s: message %q does not name the member", name, what, message)
				}
			} else if status != http.StatusBadRequest {
				t.Errorf("%s, %s = %d %s", name, what, status, body)
			}
		}
		// Chunked: there is no length to go by.
		r := httptest.NewRequest(s.method, s.path, iotest.OneByteReader(strings.NewReader(large)))
		r.ContentLength = -1
		r.Header.Set("X-API-Key", testKey)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		wantFault(t, w.Code, w.Body.String(), CodeTooLarge)
		// Cut off.
		r = httptest.NewRequest(s.method, s.path, iotest.ErrReader(errors.New("cut")))
		r.Header.Set("X-API-Key", testKey)
		w = httptest.NewRecorder()
		a.ServeHTTP(w, r)
		wantFault(t, w.Code, w.Body.String(), CodeInvalidRequest)
	}
	if called {
		t.Error("something was published")
	}
}

func TestQueriesAreStrict(t *testing.T) {
	a := newTestAPI(new(fake))
	for path, code := range map[string]Code{
		"/api/rooms?kinds=room":              CodeUnknownField,
		"/api/rooms?kind=room&kind=lobby":    CodeInvalidRequest,
		"/api/rooms?kind=everything":         CodeInvalidRequest,
		"/api/rooms?limit=0":                 CodeInvalidRequest,
		"/api/rooms?limit=1001":              CodeInvalidRequest,
		"/api/rooms?limit=ten":               CodeInvalidRequest,
		"/api/rooms?cursor=!":                CodeInvalidRequest,
		"/api/rooms?cursor=eg":               CodeInvalidRequest,
		"/api/rooms?a;b":                     CodeInvalidRequest,
		"/api/rooms/team/users?kind=account": CodeInvalidRequest,
		"/api/rooms/team/users?limit=1":      CodeUnknownField,
		"/api/rooms/%ff/users":               CodeInvalidRequest,
		"/api/rooms//users":                  CodeInvalidRequest,
		"/api/users/42?x=1":                  CodeUnknownField,
		"/api/users/%ff":                     CodeInvalidRequest,
	} {
		status, body := ask(t, a, "GET", path, "")
		wantFault(t, status, body, code)
	}
}

func TestPathsAndMethods(t *testing.T) {
	a := newTestAPI(new(fake))
	for _, path := range []string{"/api/", "/api/nothing", "/api/emit/", "/api/rooms/", "/api/users/", "/api/users/42/"} {
		status, body := ask(t, a, "GET", path, "")
		wantFault(t, status, body, CodeNotFound)
	}
	for path, allow := range map[string]string{"/api/emit": "POST", "/api/publish/update": "POST", "/api/rooms": "GET", "/api/users/42/disconnect": "POST"} {
		res := do(t, a, "DELETE", path, "")
		wantFault(t, res.Code, res.Body.String(), CodeMethodNotAllowed)
		if got := res.Header().Get("Allow"); got != allow {
			t.Errorf("Allow of %s = %q, want %q", path, got, allow)
		}
	}
	// Who has no key is not told which paths there are.
	status, body := ask(t, a, "GET", "/api/nothing", "", "X-API-Key", "")
	wantFault(t, status, body, CodeUnauthorized)
}

func TestInternalFaultsAreNotTold(t *testing.T) {
	f := &fake{
		publish: func(string, []byte) (int, error) { return 0, errors.New("redis://secret") },
		lobby:   func(string) ([]store.User, error) { return nil, errors.New("redis://secret") },
	}
	a := newTestAPI(f)
	for _, s := range []sample{samples()["publish"], samples()["roomUsers"]} {
		status, body := ask(t, a, s.method, s.path, s.body)
		wantFault(t, status, body, CodeInternal)
		if strings.Contains(body, "secret") {
			t.Errorf("the caller is told %s", body)
		}
	}
}

func TestRequestID(t *testing.T) {
	a := newTestAPI(new(fake))
	for given, kept := range map[string]bool{
		"":                       false,
		"abc-123_X.y:z/=+":       true,
		"with space":             false,
		"quote\"":                false,
		"brace}{":                false,
		strings.Repeat("a", 128): true,
		strings.Repeat("a", 129): false,
		"é":                      false,
		"new\nline":              false,
	} {
		got := do(t, a, "GET", "/api/rooms", "", "X-Request-Id", given).Header().Get("X-Request-Id")
		if kept && got != given || !kept && len(got) != 32 {
			t.Errorf("X-Request-Id %q became %q", given, got)
		}
	}
	res := do(t, a, "GET", "/api/nothing", "", "X-Request-Id", "mine")
	if !strings.Contains(res.Body.String(), `"requestId":"mine"`) {
		t.Errorf("the fault %s does not have the request's id", res.Body)
	}
	if a, b := newRequestID(), newRequestID(); a == b {
		t.Error("two requests got one id")
	}
}

func TestAnswersAreNotStored(t *testing.T) {
	res := do(t, newTestAPI(new(fake)), "GET", "/api/rooms", "")
	if got := res.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q", got)
	}
	if got := res.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestNewKey(t *testing.T) {
	if k := NewKey(); len(k) < MinKeyBytes || k == NewKey() {
		t.Errorf("NewKey = %q", k)
	}
}
