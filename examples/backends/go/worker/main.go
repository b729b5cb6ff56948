// A backend that connects to signalbox, and speaks its few packets by hand: go run ., with WORKER_KEY as signalbox has it. A client
// library of Socket.IO for Go does as well.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

type event struct {
	Type, Event, User, Reason string
	Auth                      struct{ Name string }
	Args                      []any
}

type object = map[string]any

func handle(e event) object {
	switch {
	case e.Type == "connect" && e.Auth.Name == "":
		return object{"refuse": object{"message": "say who you are"}}
	case e.Type == "connect":
		return object{"user": e.Auth.Name, "rooms": []string{"board"}}
	case e.Type == "event" && e.Event != "move":
		return object{"error": "there are only moves"}
	case e.Type == "event":
		moved := object{"to": []string{"board"}, "event": "moved", "args": slices.Insert(e.Args, 0, any(e.User))}
		return object{"ack": []object{{"ok": true}}, "emit": []object{moved}}
	}
	fmt.Println(e.Type, e.User, e.Reason) // disconnect, offline, ...
	return object{}
}

// answer returns what to send for a packet, nil for nothing.
func answer(packet string) any {
	switch head, rest, _ := strings.Cut(packet, "["); {
	case strings.HasPrefix(packet, "0"): // the connection is open
		key, _ := json.Marshal(object{"key": os.Getenv("WORKER_KEY")}) // of a text
		return "40/backend," + string(key)
	case packet == "2": // ping
		return "3"
	case strings.HasPrefix(packet, "40/backend,"): // it is let in
		return `42/backend,0["handle",{"events":["/game:*"]}]`
	case strings.HasPrefix(packet, "44/backend,"), strings.HasPrefix(packet, "41/backend,"):
		log.Fatal(packet)
	case strings.HasPrefix(packet, "43/backend,0["):
		fmt.Println("handle", rest)
	case strings.HasPrefix(rest, `"events",`):
		var told struct{ Events []event }
		if err := json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimPrefix(rest, `"events",`), "]")), &told); err != nil {
			log.Fatal(err)
		}
		results := []object{}
		for _, e := range told.Events {
			results = append(results, handle(e))
		}
		body, _ := json.Marshal([]object{{"results": results}}) // of what came as JSON
		return "43" + head[2:] + string(body)
	}
	return nil
}

func main() {
	url := strings.Replace(cmp.Or(os.Getenv("SIGNALBOX"), "http://localhost:3000"), "http", "ws", 1)
	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, url+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		log.Fatal(err)
	}
	ws.SetReadLimit(8 << 20)
	for {
		_, packet, err := ws.Read(ctx)
		if err != nil {
			log.Fatal(err) // whoever runs it starts it again
		}
		if said, ok := answer(string(packet)).(string); ok {
			if err := ws.Write(ctx, websocket.MessageText, []byte(said)); err != nil {
				log.Fatal(err)
			}
		}
	}
}
