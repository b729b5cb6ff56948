// Command orders adds one namespace, /orders, to what signalbox has: the broker on / and the API for backends stay, and the namespace
// asks for the same tokens as they do.
//
//	JWT_SECRET=... API_KEY=... go run ./examples/orders
//
// A client is io("http://localhost:3000/orders", {auth: {token}}); it emits "order" with {item, count}.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"signalbox/config"
	"signalbox/handlers/broker"
	"signalbox/handlers/events"
	"signalbox/handlers/gate"
	"signalbox/handlers/presence"
	"signalbox/handlers/publish"
	"signalbox/server"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
)

// Order is what a client wants, and Ordered what it gets back.
type Order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

type Ordered struct {
	Number uint64 `json:"number"`
	Order
}

func newServer(getenv func(string) string) (*server.Server, error) {
	cfg, err := config.Load(getenv)
	if err != nil {
		return nil, err
	}
	cfg.RequireAuth = true
	verifier, err := auth.New(auth.Config{Secret: string(cfg.JWTSecret), Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Log: slog.Default()})
	if err != nil {
		return nil, err
	}
	h := hub.New()
	h.Names = hub.Names{Verified: true} // who is on / has a token, too
	doorman := gate.New(verifier, true, slog.Default())
	srv, err := server.New(server.Options{
		Config: cfg, Log: slog.Default(), Version: "orders", Hub: h, Guard: doorman.Require,
		Handlers: map[string]app.Handler{"/": broker.New(h, nil, slog.Default())},
		API: &server.APIParts{
			Publisher: publish.New(h, hub.Alone, nil), Presence: presence.New(h, hub.Alone, ""),
			Tickets: store.NewMemoryTickets(0, 0), Lobbies: store.NewMemory(),
		},
	})
	if err != nil {
		verifier.Close()
		return nil, err
	}
	srv.OnClose(verifier.Close)
	orders := events.New("/orders", events.Options{Hub: h, Asker: srv, Log: slog.Default()})
	var last atomic.Uint64
	events.On(orders, "order", func(_ context.Context, s *events.Socket, o Order) (Ordered, error) {
		if o.Item == "" || o.Count < 1 {
			return Ordered{}, events.Errorf("order at least one of something")
		}
		ordered := Ordered{Number: last.Add(1), Order: o}
		return ordered, orders.ToUser(s.User()).Except(s).Emit("ordered", ordered) // the user's other devices
	})
	srv.Handle("/orders", orders)
	return srv, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv, err := newServer(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("orders at http://%s/orders\n", srv.Addr())
	if err := srv.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
