package main

import (
	"errors"
	"fmt"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"
)

// admit is the middleware of the namespace: a client may name a room to be in from the beginning, and be refused behind it.
func admit(socket *sio.Socket, next func(*sio.ExtendedError)) {
	auth, _ := socket.Handshake().Auth.(map[string]any)
	if room, ok := auth["room"].(string); ok {
		socket.Join(sio.Room(room))
	}
	if auth["refuse"] == true {
		next(sio.NewExtendedError("not you", map[string]any{"code": 7}))
		return
	}
	next(nil)
}

// connected gives a client data that other servers see, and lets it join rooms and speak to others in them.
func (m *member) connected(args ...any) {
	socket, ok := args[0].(*sio.Socket)
	if !ok {
		return
	}
	socket.SetData(map[string]any{"by": "member"})
	socket.Use(func(event []any, next func(error)) {
		if event[0] == "forbidden" {
			next(errors.New("not this"))
			return
		}
		next(nil)
	})
	on := func(event string, f func(room sio.Room, args []any, ack sio.Ack)) {
		_ = socket.On(event, func(args ...any) {
			room, _ := args[0].(string)
			ack, _ := args[len(args)-1].(sio.Ack)
			f(sio.Room(room), args[1:], ack)
		})
	}
	on("join", func(room sio.Room, _ []any, ack sio.Ack) {
		socket.Join(room)
		ack([]any{"joined"}, nil)
	})
	on("say", func(room sio.Room, args []any, _ sio.Ack) { _ = socket.To(room).Emit("said", args...) })
	on("ask", func(room sio.Room, args []any, ack sio.Ack) {
		others := socket.To(room).Timeout(5 * time.Second)
		_ = others.Emit("question", args[0], func(answers []any, err error) { ack(answers, nil) })
	})
	_ = socket.On("error", func(args ...any) { _ = socket.Emit("refused", fmt.Sprint(args[0])) })
	_ = socket.On("disconnecting", func(args ...any) {
		for _, room := range socket.Rooms().Keys() {
			if string(room) != string(socket.Id()) {
				_ = socket.To(room).Emit("leaving", socket.Id(), args[0])
			}
		}
	})
}
