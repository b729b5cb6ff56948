// Command chat is a chat with a login of its own: who has no session yet sends a name and a password with the connection, and gets a
// session to come back with.
//
//	go run ./examples/chat
//
// A client is io("http://localhost:3000/talk", {auth: (send) => send(session ? {session} : {name, password})}); it keeps what comes as
// "session", and emits "say" with a text.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/bcrypt"

	"signalbox/config"
	"signalbox/handlers/events"
	"signalbox/server"
	"signalbox/server/hub"
)

const sessionTime = 24 * time.Hour

// Said is what somebody has said.
type Said struct {
	Who  string    `json:"who"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// logins knows passwords, and makes sessions. A real one has a database.
type logins struct {
	key []byte // signs sessions

	mu     sync.Mutex
	hashes map[string][]byte // of passwords, by name
}

// login lets in who knows the password of a name, and whoever takes one that is free.
func (l *logins) login(name, password string) error {
	if name == "" || strings.Contains(name, " ") || len(password) < 8 || len(password) > 72 {
		return events.Errorf("a name has no spaces, and a password 8 to 72 bytes")
	}
	l.mu.Lock()
	hash := l.hashes[name]
	l.mu.Unlock()
	if hash == nil {
		made, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
		if err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.hashes[name] != nil {
			return events.Errorf("somebody has just taken this name")
		}
		l.hashes[name] = made
		return nil
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		return events.Errorf("wrong name or password")
	}
	return nil
}

// session returns what a name comes back with: name, end and signature.
func (l *logins) session(name string, end time.Time) string {
	text := name + " " + strconv.FormatInt(end.Unix(), 10)
	return text + " " + l.sign(text)
}

func (l *logins) sign(text string) string {
	mac := hmac.New(sha256.New, l.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// who returns whose session it is.
func (l *logins) who(session string) (string, error) {
	if f := strings.Split(session, " "); len(f) == 3 && hmac.Equal([]byte(f[2]), []byte(l.sign(f[0]+" "+f[1]))) {
		if end, err := strconv.ParseInt(f[1], 10, 64); err == nil && time.Now().Unix() < end {
			return f[0], nil
		}
	}
	return "", events.Errorf("the session is over: send name and password")
}

// newServer returns the server with its chat, which does not run yet.
func newServer(getenv func(string) string) (*server.Server, error) {
	cfg, err := config.Load(getenv)
	if err != nil {
		return nil, err
	}
	h := hub.New()
	srv, err := server.New(server.Options{Config: cfg, Log: slog.Default(), Version: "chat", Hub: h})
	if err != nil {
		return nil, err
	}
	people := &logins{key: make([]byte, 32), hashes: make(map[string][]byte)}
	rand.Read(people.key) // never fails
	app := events.New("/talk", events.Options{Hub: h, Asker: srv, Log: slog.Default()})
	app.OnConnect(func(_ context.Context, c *events.Connecting) (err error) {
		var auth struct{ Name, Password, Session string }
		if err := json.Unmarshal(c.Auth, &auth); err != nil {
			return events.Errorf("send name and password, or session")
		}
		if auth.Session != "" {
			auth.Name, err = people.who(auth.Session)
		} else {
			err = people.login(auth.Name, auth.Password)
		}
		if err != nil {
			return err
		}
		c.SetUser(auth.Name)
		c.Join("room")
		return c.Emit("session", people.session(auth.Name, time.Now().Add(sessionTime)))
	})
	events.On(app, "say", func(_ context.Context, s *events.Socket, text string) (Said, error) {
		if text == "" || len(text) > 1000 {
			return Said{}, events.Errorf("say something, in 1,000 bytes")
		}
		said := Said{Who: s.User(), Text: text, At: time.Now()}
		return said, app.To("room").Except(s).Emit("said", said)
	})
	app.OnDisconnect(func(s *events.Socket, _ string) {
		_ = app.To("room").Emit("left", s.User()) // a text can be written as JSON
	})
	srv.Handle("/talk", app)
	return srv, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv, err := newServer(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("a chat at http://%s/talk\n", srv.Addr())
	if err := srv.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
