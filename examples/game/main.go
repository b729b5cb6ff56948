// Command game is noughts and crosses for any number of pairs: a namespace /game with typed events, on a server of its own.
//
//	go run ./examples/game
//
// A client is io("http://localhost:3000/game", {auth: {name: "ann"}}): it emits "join" with {game}, then "move" with {field}, from 0
// to 8, and hears "moved". docs/handlers.md has more.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"signalbox/config"
	"signalbox/handlers/events"
	"signalbox/server"
	"signalbox/server/hub"
)

// Join asks for a place in a game.
type Join struct{ Game string }

// Move takes a field.
type Move struct{ Field int }

// State is a game as its players see it.
type State struct {
	Board   [9]string `json:"board"` // names of players, "" for nobody
	Players []string  `json:"players"`
	Turn    string    `json:"turn"` // "": it is over, or has not begun
	Winner  string    `json:"winner,omitempty"`
}

var lines = [][3]int{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {0, 3, 6}, {1, 4, 7}, {2, 5, 8}, {0, 4, 8}, {2, 4, 6}}

// table keeps the games.
type table struct {
	mu    sync.Mutex
	games map[string]*State
}

func (t *table) join(name, player string) (State, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.games[name]
	if g == nil {
		g = new(State)
		t.games[name] = g
	}
	switch {
	case len(g.Players) == 2, len(g.Players) == 1 && g.Players[0] == player:
		return *g, events.Errorf("there is no place in this game")
	case len(g.Players) == 1:
		g.Turn = g.Players[0]
	}
	g.Players = append(g.Players, player)
	return *g, nil
}

func (t *table) move(name, player string, field int) (State, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.games[name]
	switch {
	case g == nil || g.Turn != player:
		return State{}, events.Errorf("it is not your turn")
	case field < 0 || field > 8 || g.Board[field] != "":
		return State{}, events.Errorf("field %d is not free", field)
	}
	g.Board[field] = player
	g.Turn = g.Players[0]
	if g.Turn == player {
		g.Turn = g.Players[1]
	}
	for _, l := range lines {
		if g.Board[l[0]] == player && g.Board[l[1]] == player && g.Board[l[2]] == player {
			g.Winner, g.Turn = player, ""
		}
	}
	return *g, nil
}

// leave ends a game that a player has left.
func (t *table) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.games, name)
}

// newServer returns the server with its game, which does not run yet.
func newServer(getenv func(string) string) (*server.Server, error) {
	cfg, err := config.Load(getenv)
	if err != nil {
		return nil, err
	}
	h := hub.New()
	srv, err := server.New(server.Options{Config: cfg, Log: slog.Default(), Version: "game", Hub: h})
	if err != nil {
		return nil, err
	}
	app := events.New("/game", events.Options{Hub: h, Asker: srv, Log: slog.Default()})
	games := &table{games: make(map[string]*State)}
	app.OnConnect(func(_ context.Context, c *events.Connecting) error {
		var auth struct{ Name string }
		if json.Unmarshal(c.Auth, &auth) != nil || auth.Name == "" {
			return events.Errorf("say who you are")
		}
		c.SetUser(auth.Name)
		return nil
	})
	events.On(app, "join", func(_ context.Context, s *events.Socket, j Join) (State, error) {
		state, err := games.join(j.Game, s.User())
		if err != nil {
			return State{}, err
		}
		s.Join(j.Game)
		if err := s.SetData(j); err != nil {
			return State{}, err
		}
		return state, app.To(j.Game).Except(s).Emit("moved", state)
	})
	events.On(app, "move", func(_ context.Context, s *events.Socket, m Move) (State, error) {
		var in Join
		if err := s.Data(&in); err != nil {
			return State{}, err
		}
		state, err := games.move(in.Game, s.User(), m.Field)
		if err != nil {
			return State{}, err
		}
		return state, app.To(in.Game).Except(s).Emit("moved", state)
	})
	app.OnDisconnect(func(s *events.Socket, reason string) {
		var in Join
		if s.Data(&in) == nil && in.Game != "" {
			games.leave(in.Game)
			_ = app.To(in.Game).Emit("left", s.User()) // a text can be written as JSON
		}
	})
	srv.Handle("/game", app)
	return srv, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv, err := newServer(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("a game at http://%s/game\n", srv.Addr())
	if err := srv.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
