package events_test

import (
	"context"
	"fmt"
	"log/slog"

	"signalbox/handlers/events"
	"signalbox/server/hub"
)

// Move is what a client sends, and Moved what it gets back.
type Move struct{ From, To string }

type Moved struct {
	By string `json:"by"`
	Move
}

// A namespace with typed events. A program gives it to its server in server.Options.Handlers.
func Example() {
	game := events.New("/game", events.Options{Hub: hub.New(), Log: slog.Default()})
	game.OnConnect(func(_ context.Context, c *events.Connecting) error {
		name := c.Query["name"]
		if name == "" {
			return events.Errorf("say who you are") // the client sees a connect_error
		}
		c.SetUser(name)
		c.Join("board")
		return nil
	})
	events.On(game, "move", func(_ context.Context, s *events.Socket, m Move) (Moved, error) {
		if m.From == m.To {
			return Moved{}, events.Errorf("%s is where it is", m.From) // its callback gets {ok: false, error}
		}
		moved := Moved{By: s.User(), Move: m}
		return moved, game.To("board").Except(s).Emit("moved", moved)
	})
	game.OnDisconnect(func(s *events.Socket, reason string) {
		_ = game.To("board").Emit("left", s.User()) // a text can be written as JSON
	})
	fmt.Println(game.Name())
	// Output: /game
}
