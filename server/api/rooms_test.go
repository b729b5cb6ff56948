package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// populate puts one member into every room and a second into the first.
func populate(h *hub.Hub, rooms ...hub.Room) {
	m := hub.NewMember("m", nil)
	for _, r := range rooms {
		h.Join(m, r)
	}
	h.Join(hub.NewMember("n", nil), rooms[0])
}

func TestListRooms(t *testing.T) {
	f := &fake{hub: hub.New()}
	populate(f.hub, lobby("den"), lobby("attic"), inChat("team/1"), inChat("tea"), user("42"), account("42"),
		hub.Room{Kind: hub.KindTopic, Name: "update"}, hub.NamespaceRoom("/lib", "team"))
	a := newTestAPI(f)
	for query, want := range map[string]string{
		"":                         `{"rooms":[{"kind":"lobby","namespace":"/","room":"attic","members":1},{"kind":"lobby","namespace":"/","room":"den","members":2},{"kind":"room","namespace":"/chat","room":"tea","members":1},{"kind":"room","namespace":"/chat","room":"team/1","members":1}]}`,
		"?kind=user":               `{"rooms":[{"kind":"user","namespace":"/","room":"42","members":1}]}`,
		"?kind=account":            `{"rooms":[{"kind":"account","namespace":"/chat","room":"42","members":1}]}`,
		"?kind=topic":              `{"rooms":[{"kind":"topic","room":"update","members":1}]}`,
		"?kind=namespace":          `{"rooms":[{"kind":"namespace","namespace":"/lib","room":"team","members":1}]}`,
		"?kind=namespace&prefix=t": `{"rooms":[{"kind":"namespace","namespace":"/lib","room":"team","members":1}]}`,
		"?kind=namespace&prefix=/": `{"rooms":[]}`,
		"?prefix=team":             `{"rooms":[{"kind":"room","namespace":"/chat","room":"team/1","members":1}]}`,
		"?kind=lobby&prefix=x":     `{"rooms":[]}`,
	} {
		if status, got := ask(t, a, "GET", "/api/rooms"+query, ""); status != 200 || got != want {
			t.Errorf("rooms%s = %d %s, want %s", query, status, got, want)
		}
	}
}

func TestListRoomsByPages(t *testing.T) {
	f := &fake{hub: hub.New()}
	var all []hub.Room
	for i := range 25 {
		all = append(all, lobby(fmt.Sprintf("l%02d", i)), inChat(fmt.Sprintf("r%02d", i)))
	}
	populate(f.hub, all...)
	a := newTestAPI(f)
	for _, limit := range []int{1, 7, 25, 50, 51} {
		var names []string
		cursor, pages := "", 0
		for {
			status, body := ask(t, a, "GET", fmt.Sprintf("/api/rooms?limit=%d&cursor=%s", limit, url.QueryEscape(cursor)), "")
			var page struct {
				Rooms []room
				Next  string
			}
			if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 || len(page.Rooms) > limit {
				t.Fatalf("page = %d %s", status, body)
			}
			for _, r := range page.Rooms {
				names = append(names, r.Room)
			}
			pages++
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if len(names) != 50 || names[0] != "l00" || names[24] != "l24" || names[25] != "r00" || names[49] != "r24" {
			t.Errorf("limit %d: %d names: %v", limit, len(names), names)
		}
		if want := (50 + limit - 1) / limit; pages != want {
			t.Errorf("limit %d: %d pages, want %d", limit, pages, want)
		}
	}
}

func TestRoomUsers(t *testing.T) {
	f := &fake{
		roomUsers: map[string][]app.RoomUser{"team/1": {{UserID: json.RawMessage(`42`), Name: "Ann", Connections: 2, Verified: true}}},
		lobby: func(room string) ([]store.User, error) {
			if room != "team/1" {
				return nil, nil
			}
			return []store.User{{ID: "s1", Name: "bob", Room: room}}, nil
		},
	}
	a := newTestAPI(f)
	const bob = `{"kind":"lobby","clientId":"s1","name":"bob","connections":1,"verified":false}`
	const ann = `{"kind":"room","userId":42,"name":"Ann","connections":2,"verified":true}`
	for path, want := range map[string]string{
		"team%2F1/users":            `{"room":"team/1","users":[` + bob + `,` + ann + `],"nameless":1}`,
		"team%2F1/users?kind=lobby": `{"room":"team/1","users":[` + bob + `],"nameless":0}`,
		"team%2F1/users?kind=room":  `{"room":"team/1","users":[` + ann + `],"nameless":1}`,
		"empty/users":               `{"room":"empty","users":[],"nameless":0}`,
		"a+b%25/users":              `{"room":"a+b%","users":[],"nameless":0}`,
		"%3Cb%3E&/users":            `{"room":"<b>&","users":[],"nameless":0}`,
	} {
		if status, got := ask(t, a, "GET", "/api/rooms/"+path, ""); status != 200 || got != want {
			t.Errorf("GET %s = %d %s, want %s", path, status, got, want)
		}
	}
	f.lobby = func(string) ([]store.User, error) { return nil, errors.New("store is away") }
	status, body := ask(t, a, "GET", "/api/rooms/den/users", "")
	wantFault(t, status, body, CodeInternal)
}

func TestUser(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := &fake{online: map[string][]app.Place{"a/b": {
		{Door: "broker", ClientID: "s1", Rooms: []string{}},
		{Door: "chat", ClientID: "s2", Since: &since, Rooms: []string{"team"}, Verified: true},
	}}}
	a := newTestAPI(f)
	want := `{"userId":"a/b","online":true,"where":[{"door":"broker","clientId":"s1","rooms":[],"verified":false},` +
		`{"door":"chat","clientId":"s2","since":"2026-01-02T03:04:05Z","rooms":["team"],"verified":true}]}`
	if status, got := ask(t, a, "GET", "/api/users/a%2Fb", ""); status != 200 || got != want {
		t.Errorf("user = %d %s, want %s", status, got, want)
	}
	if status, got := ask(t, a, "GET", "/api/users/7", ""); status != 200 || got != `{"userId":"7","online":false,"where":[]}` {
		t.Errorf("user who is not there = %d %s", status, got)
	}
}

func TestDisconnect(t *testing.T) {
	f := new(fake)
	a := newTestAPI(f)
	for _, body := range []string{"", "{}", `{"close":false}`, `{"close":true}`} {
		if status, got := ask(t, a, "POST", "/api/users/a%2Fb/disconnect", body); status != 200 || got != `{"ok":true,"disconnected":2}` {
			t.Errorf("disconnect with %s = %d %s", body, status, got)
		}
	}
	if got := strings.Join(f.cut, ", "); got != "revoke a/b, leave a/b, revoke a/b, leave a/b, revoke a/b, leave a/b, revoke a/b, close a/b" {
		t.Errorf("disconnected: %s", got)
	}
	f.revoke = errors.New("redis is away")
	if status, got := ask(t, a, "POST", "/api/users/a%2Fb/disconnect", ""); status != 200 || got != `{"ok":true,"disconnected":2,"partial":true}` {
		t.Errorf("disconnect with tickets that stay = %d %s, want it to say partial", status, got)
	}
}
