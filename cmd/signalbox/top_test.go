package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
)

// TestBusiest finds the client that floods among those that are quiet, by its user and its id.
func TestBusiest(t *testing.T) {
	debug := freePorts(t, 1)[0]
	p := startProcess(t, "DEBUG_ADDR="+debug, "ADMIN_TOKEN="+testSecret)
	for range 3 {
		p.sio(t) // quiet
	}
	flood := p.sio(t)
	flood.join(42)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	go func() { // awaited below
		defer close(ended)
		for ctx.Err() == nil && flood.ws.Write(ctx, websocket.MessageText, []byte(`42["time"]`)) == nil {
			time.Sleep(time.Millisecond) // a pace, not a wait
		}
	}()
	status, body := get(t, "http://"+debug+"/debug/clients?for=300ms&n=10")
	_, handlers := get(t, "http://"+debug+"/debug/handlers?for=300ms&n=1")
	_, counts := get(t, "http://"+debug+"/debug/counts?gc=1")
	stop()
	<-ended
	if !strings.HasPrefix(handlers, `[{"namespace":"/","event":"time","count":`) {
		t.Errorf("handlers are busy with %s, want time", handlers)
	}
	if !strings.Contains(counts, `"clients":4,`) || !strings.Contains(counts, `"sockets":4,`) {
		t.Errorf("the counts are %s, want 4 clients", counts)
	}
	for token, want := range map[string]int{testSecret: http.StatusOK, "wrong": http.StatusUnauthorized} {
		for _, path := range []string{"/console/clients?for=1ms", "/console/handlers?for=1ms", "/console/counts"} {
			if got := ask(t, http.MethodGet, p.url+path, "", []string{"Authorization", "Bearer " + token}); got != want {
				t.Errorf("%s with the token %q = %d, want %d", path, token, got, want)
			}
		}
	}
	var loads []struct {
		Client, User, Addr string
		PacketsPerSecond   float64
	}
	if err := json.Unmarshal([]byte(body), &loads); err != nil || status != 200 {
		t.Fatalf("/debug/clients = %d %q, %v", status, body, err)
	}
	if len(loads) != 1 || loads[0].PacketsPerSecond < 5 || loads[0].Addr != "127.0.0.1" || loads[0].Client == "" || loads[0].User != "42" {
		t.Errorf("the busiest are %s, want the one that floods, user 42", body)
	}
	for _, query := range []string{"n=0", "n=x", "for=2m", "for=-1s"} {
		if status, _ := get(t, "http://"+debug+"/debug/clients?"+query); status != 400 {
			t.Errorf("/debug/clients?%s = %d, want 400", query, status)
		}
	}
	if !strings.HasPrefix(body, "[") {
		t.Errorf("the answer is no list: %s", body)
	}
}

// TestBusiestByToken finds clients by the user of their token, who have joined nothing.
func TestBusiestByToken(t *testing.T) {
	debug := freePorts(t, 1)[0]
	p := startProcess(t, "DEBUG_ADDR="+debug, "REQUIRE_AUTH=true", "JWT_SECRET="+testSecret)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	doors := map[string]string{"root": "/socket.io/?EIO=4&transport=websocket", "rooms": "/ws", "tap": "/tap"}
	for user, path := range doors {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "scope": "tap"}).SignedString([]byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		ws, _, err := websocket.Dial(ctx, strings.Replace(p.url, "http", "ws", 1)+path,
			&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
		if err != nil {
			t.Fatal(user, err)
		}
		defer ws.CloseNow()
		message := `{"type":"x","connectionId":"x"}`
		if user == "root" {
			write(t, ws, "40")
			message = `42["time"]`
		}
		writers.Go(func() {
			for ctx.Err() == nil && ws.Write(ctx, websocket.MessageText, []byte(message)) == nil {
				time.Sleep(time.Millisecond) // a pace, not a wait
			}
		})
	}
	var users []string
	want := []string{"rooms", "root", "tap"}
	for end := time.Now().Add(patience); !slices.Equal(users, want) && time.Now().Before(end); {
		var loads []struct{ User string }
		if _, body := get(t, "http://"+debug+"/debug/clients?for=50ms"); json.Unmarshal([]byte(body), &loads) != nil {
			t.Fatal(body)
		}
		users = nil
		for _, l := range loads {
			users = append(users, l.User)
		}
		slices.Sort(users)
	}
	if !slices.Equal(users, want) {
		t.Errorf("the busiest are %q, want %q", users, want)
	}
}
