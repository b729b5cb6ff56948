package main

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// alphanumeric is what the chat accepts as a name of a user or a room.
var alphanumeric = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// app is the broker and the chat. The library calls it on a goroutine per packet.
type app struct {
	io *socket.Server

	// mu guards the following.
	mu    sync.Mutex
	users []user // chat users in login order
}

// user is one chat user as clients see it.
type user struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Room string `json:"room"`
}

// connect hooks the app to one socket.
func (a *app) connect(s *socket.Socket) {
	s.OnAny(func(args ...any) {
		if len(args) == 0 {
			return
		}
		event, _ := args[0].(string)
		args = args[1:]
		var ack func(...any)
		if len(args) > 0 {
			if fn, ok := args[len(args)-1].(socket.Ack); ok {
				ack = func(answer ...any) { fn(answer, nil) }
				args = args[:len(args)-1]
			}
		}
		var data any
		if len(args) > 0 {
			data = args[0]
		}
		a.event(s, event, data, ack)
	})
	_ = s.On("disconnect", func(...any) { a.logout(s) })
}

// event gives an event to the app that owns it.
func (a *app) event(s *socket.Socket, event string, data any, ack func(...any)) {
	fields, _ := data.(map[string]any)
	recipient, addressed := fields["recipientUserId"]
	switch {
	case event == "join":
		s.SetData(fields["senderUserId"])
		s.Join(userRoom(fields["senderUserId"]))
		answer(ack, map[string]any{"ok": true})
	case event == "time":
		_ = s.Emit("time", map[string]any{"recipientUserId": s.Data(), "time": time.Now().UnixMilli()})
	case addressed:
		room := userRoom(recipient)
		_ = a.io.To(room).Emit(event, data)
		delivered := 0
		if members, ok := a.io.Sockets().Adapter().Rooms().Load(room); ok {
			delivered = members.Len()
		}
		answer(ack, map[string]any{"ok": true, "delivered": delivered})
	default:
		a.chat(s, event, data, ack)
	}
}

// chat handles an event of the chat.
func (a *app) chat(s *socket.Socket, event string, data any, ack func(...any)) {
	if event != "roomMessage" && ack == nil {
		s.Disconnect(false)
		return
	}
	switch event {
	case "login":
		a.login(s, data, ack)
	case "logout":
		a.logout(s)
		ack()
	case "roomMessage":
		if u, ok := a.find(string(s.Id())); ok {
			_ = a.io.To(chatRoom(u.Room)).Emit("roomMessage", map[string]any{"message": data, "from": u.Name})
		}
	case "ping":
		ack(string(s.Id()))
	}
}

// login adds the socket to a chat room and tells the room.
func (a *app) login(s *socket.Socket, data any, ack func(...any)) {
	fields, _ := data.(map[string]any)
	name, _ := fields["name"].(string)
	room, _ := fields["room"].(string)
	u := user{ID: string(s.Id()), Name: strings.TrimSpace(name), Room: strings.TrimSpace(room)}
	if !alphanumeric.MatchString(u.Name) || !alphanumeric.MatchString(u.Room) {
		ack(map[string]any{"error": "No room or name provided"})
		return
	}
	if !a.save(u) {
		ack(map[string]any{"error": "user already exists"})
		return
	}
	s.Join(chatRoom(u.Room))
	_ = s.To(chatRoom(u.Room)).Emit("notification", map[string]any{
		"title": "Someone's here", "description": u.Name + " just entered the room",
	})
	_ = a.io.To(chatRoom(u.Room)).Emit("users", a.room(u.Room))
	ack(map[string]any{"user": u})
}

// logout takes the socket out of its chat room, if it is in one, and tells the rest.
func (a *app) logout(s *socket.Socket) {
	u, ok := a.remove(string(s.Id()))
	if !ok {
		return
	}
	s.Leave(chatRoom(u.Room))
	_ = a.io.To(chatRoom(u.Room)).Emit("notification", map[string]any{
		"title": "Someone just left", "description": u.Name + " just left the room",
	})
	_ = a.io.To(chatRoom(u.Room)).Emit("users", a.room(u.Room))
}

// save adds a user; it reports whether the socket had not logged in yet.
func (a *app) save(u user) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.users {
		if a.users[i].ID == u.ID {
			return false
		}
	}
	a.users = append(a.users, u)
	return true
}

// find returns the user of a socket.
func (a *app) find(id string) (user, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.users {
		if a.users[i].ID == id {
			return a.users[i], true
		}
	}
	return user{}, false
}

// remove deletes the user of a socket and returns it.
func (a *app) remove(id string) (user, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.users {
		if a.users[i].ID == id {
			u := a.users[i]
			a.users = append(a.users[:i:i], a.users[i+1:]...)
			return u, true
		}
	}
	return user{}, false
}

// room returns the users of a chat room in login order.
func (a *app) room(name string) []user {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []user{}
	for i := range a.users {
		if a.users[i].Room == name {
			list = append(list, a.users[i])
		}
	}
	return list
}

// answer calls the client's callback, if it gave one.
func answer(ack func(...any), v any) {
	if ack != nil {
		ack(v)
	}
}

// userRoom names the broker's room of a user: 5 and "5" are the same one.
func userRoom(id any) socket.Room { return socket.Room(fmt.Sprintf("user:%v", id)) }

// chatRoom names the room of the chat.
func chatRoom(name string) socket.Room { return socket.Room("room:" + name) }
