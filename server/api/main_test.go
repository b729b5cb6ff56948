package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "0123456789abcdef-the-key"

// fake stands in for everything behind the API. What is not set does nothing.
type fake struct {
	publish     func(channel string, message []byte) (int, error)
	partial     bool // not every node has told
	emit        func(to hub.Selection, msg *hub.Message) int
	emitWithAck func(ctx context.Context, to hub.Selection, msg *hub.Message, answer Answer) int
	hub         *hub.Hub
	online      map[string][]app.Place
	roomUsers   map[string][]app.RoomUser
	lobby       func(room string) ([]store.User, error)
	cut         []string // what Disconnect and Revoke were called with
	revoke      error
}

func (f *fake) Publish(_ context.Context, channel string, message []byte) (int, int, bool, error) {
	if f.publish == nil {
		return 0, 0, true, nil
	}
	n, err := f.publish(channel, message)
	return n, 0, !f.partial, err
}

func (f *fake) Emit(_ context.Context, to hub.Selection, msg *hub.Message) (int, bool) {
	if f.emit == nil {
		return 0, !f.partial
	}
	return f.emit(to, msg), !f.partial
}

func (f *fake) EmitWithAck(ctx context.Context, to hub.Selection, msg *hub.Message, answer Answer) (int, bool) {
	if f.emitWithAck == nil {
		return 0, !f.partial
	}
	return f.emitWithAck(ctx, to, msg, answer), !f.partial
}

// ListRooms knows the rooms of one hub.
func (f *fake) ListRooms(
	ctx context.Context, kinds []hub.Kind, prefix string, after *hub.Room, limit int,
) (rooms []hub.RoomCount, more, complete bool) {
	rooms, more, _ = presence.New(f.hub, hub.Alone, "test").ListRooms(ctx, kinds, prefix, after, limit)
	return rooms, more, !f.partial
}

func (f *fake) Online(_ context.Context, userID string) ([]app.Place, bool) {
	return f.online[userID], !f.partial
}

func (f *fake) AwayIn(context.Context, hub.Room) ([]string, bool) { return nil, true }

func (f *fake) RoomUsers(_ context.Context, room string) ([]app.RoomUser, int, bool) {
	return f.roomUsers[room], len(f.roomUsers[room]), !f.partial
}

func (f *fake) Disconnect(_ context.Context, userID string, closeConnection bool) (int, bool) {
	how := "leave"
	if closeConnection {
		how = "close"
	}
	f.cut = append(f.cut, how+" "+userID)
	return 2, !f.partial
}

func (f *fake) Revoke(_ context.Context, userID string) error {
	f.cut = append(f.cut, "revoke "+userID)
	return f.revoke
}

func (f *fake) GetRoomUsers(_ context.Context, room string) ([]store.User, error) {
	if f.lobby == nil {
		return nil, nil
	}
	return f.lobby(room)
}

// newTestAPI returns an API over f that bodies of up to 1000 bytes may be sent to.
func newTestAPI(f *fake, adjust ...func(*Config)) *API {
	if f.hub == nil {
		f.hub = hub.New()
	}
	cfg := Config{Key: testKey, MaxBodyBytes: 1000, Publisher: f, Emitter: f, Presence: f, Tickets: f, Lobbies: f,
		Log: slog.New(slog.DiscardHandler)}
	for _, change := range adjust {
		change(&cfg)
	}
	return New(cfg)
}

// ask sends one request with the key, unless header names another, and returns status and body.
func ask(t testing.TB, a http.Handler, method, path, body string, header ...string) (int, string) {
	t.Helper()
	res := do(t, a, method, path, body, header...)
	return res.Code, res.Body.String()
}

func do(t testing.TB, a http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, in)
	r.Header.Set("X-API-Key", testKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// wantFault checks that an answer is the fault with a code, and returns its message.
func wantFault(t testing.TB, status int, body string, code Code) string {
	t.Helper()
	var got struct {
		Error     struct{ Code, Message string }
		RequestID string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("answer = %d %q, want the fault %s", status, body, code)
	}
	if Code(got.Error.Code) != code || status != statuses[code] || got.Error.Message == "" || got.RequestID == "" {
		t.Errorf("answer = %d %s, want %d %s with a message and a request id", status, body, statuses[code], code)
	}
	return got.Error.Message
}
