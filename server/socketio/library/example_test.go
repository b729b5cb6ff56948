package library_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/cluster"
	"signalbox/server/hub"
	"signalbox/server/socketio"
	"signalbox/server/socketio/library"
	"signalbox/store/redislink"
)

// A server with one namespace of the program's own.
func Example() {
	log := slog.Default()
	door := socketio.New(socketio.Config{Hub: hub.New(), Log: log})
	lib, err := library.New(door, log)
	if err != nil {
		log.Error("the library cannot be used", "error", err)
		return
	}
	io := lib.Server()
	_ = io.Of("/shop", nil).On("connection", func(args ...any) {
		client := args[0].(*socket.Socket)
		_ = client.On("order", func(args ...any) {
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack([]any{map[string]any{"ok": true}}, nil)
			}
		})
		_ = client.On("disconnect", func(args ...any) { log.Info("a client left", "sid", client.Id(), "reason", args[0]) })
	})

	http.Handle(socketio.Path, door)
	_ = http.ListenAndServe("127.0.0.1:3000", nil)
	_ = door.Shutdown(context.Background())
}

// Middleware of a namespace decides who comes in; middleware of a socket decides which of its events are heard.
func Example_middleware() {
	var io *socket.Server // of Library.Server
	shop := io.Of("/shop", nil)
	shop.Use(func(client *socket.Socket, next func(*socket.ExtendedError)) {
		auth, _ := client.Handshake().Auth.(map[string]any)
		if auth["token"] != os.Getenv("SHOP_TOKEN") {
			next(socket.NewExtendedError("no entry", map[string]any{"code": 1}))
			return
		}
		client.Join("members") // kept, unless a later middleware refuses
		next(nil)
	})
	_ = shop.On("connection", func(args ...any) {
		client := args[0].(*socket.Socket)
		client.Use(func(event []any, next func(error)) {
			if event[0] == "admin" {
				next(errors.New("not for you"))
				return
			}
			next(nil)
		})
		_ = client.On("error", func(args ...any) { fmt.Println(args[0]) })
	})
}

// Rooms, and operators that name whom they reach, on all servers of a cluster.
func Example_operators() {
	var io *socket.Server // of Library.Server
	shop := io.Of("/shop", nil)
	_ = shop.On("connection", func(args ...any) {
		client := args[0].(*socket.Socket)
		client.Join("hats", "shoes")
		_ = client.To("hats").Emit("came", client.Id())  // all others in the room
		_ = client.Broadcast().Emit("came", client.Id()) // all others
	})
	_ = shop.To("hats", "shoes").Except("staff").Emit("sale", map[string]any{"until": 5})
	_ = shop.Local().Emit("only clients of this server")
	_ = shop.To("hats").Volatile().Emit("may be missed by who reads slowly")
	shop.In("hats").SocketsJoin("sale")
	shop.In("banned").DisconnectSockets(true)
	shop.In("hats").FetchSockets()(func(clients []*socket.RemoteSocket, err error) {
		for _, c := range clients {
			_ = c.Emit("you are one of", len(clients))
		}
	})
}

// Acks: one client answers, or all that an operator names.
func Example_acks() {
	var client *socket.Socket
	_ = client.Timeout(time.Second).Emit("sure?", func(answer []any, err error) {
		fmt.Println(answer, err) // err: it did not answer in time
	})
	_ = client.Nsp().To("hats").Timeout(time.Second).Emit("who wants one?", func(answers []any, err error) {
		fmt.Println(answers, err) // one answer of each client; err: some have not answered
	})
}

// Namespaces that clients make: by a pattern, or by a function that may answer later.
func Example_dynamicNamespaces() {
	var io *socket.Server // of Library.Server
	_ = io.Of(regexp.MustCompile(`^/shop-\d+$`), nil).On("connection", func(args ...any) {
		fmt.Println("somebody is in", args[0].(*socket.Socket).Nsp().Name())
	})
	allows := func(name string, auth any, next func(error, bool)) {
		go func() { next(nil, name == "/the-one-in-the-database") }()
	}
	io.Of(socket.ParentNspNameMatchFn(&allows), nil)
}

// A member of a cluster with Node servers, or with others of its kind.
func Example_cluster() {
	log := slog.Default()
	redis, err := redislink.Open(redislink.Options{URL: os.Getenv("REDIS_URL"), Log: log})
	if err != nil {
		return
	}
	defer redis.Close()
	h := hub.New()
	others := cluster.New(cluster.Options{Link: redis, Hub: h, Prefix: "socket.io", NodeID: cluster.NewNodeID(), Log: log})
	door := socketio.New(socketio.Config{Hub: h, Cluster: others, Log: log})
	lib, err := library.New(door, log)
	if err != nil {
		return
	}
	shop := lib.Server().Of("/shop", nil)
	_ = shop.On("restock", func(args ...any) { fmt.Println("another server says", args) })
	others.Start(door)
	defer others.Stop()
	_ = shop.ServerSideEmit("restock", "hats")
}
