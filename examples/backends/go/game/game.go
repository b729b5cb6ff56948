// Package game is what the backend does, however it is reached.
package game

import (
	"encoding/json"
	"fmt"
)

type object = map[string]any

// Answer returns what signalbox is to do about {"events":[...]}: {"results":[...]}, one for each.
func Answer(body []byte) ([]byte, error) {
	var told struct{ Events []object }
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, err
	}
	results := []object{}
	for _, e := range told.Events {
		results = append(results, handle(e))
	}
	return json.Marshal(object{"results": results})
}

func handle(e object) object {
	auth, _ := e["auth"].(object)
	args, _ := e["args"].([]any)
	switch {
	case e["type"] == "connect" && auth["name"] == nil:
		return object{"refuse": object{"message": "say who you are"}}
	case e["type"] == "connect":
		return object{"user": auth["name"], "rooms": []string{"board"}}
	case e["type"] == "event" && e["event"] == "move":
		moved := object{"to": []string{"board"}, "event": "moved", "args": append([]any{e["user"]}, args...)}
		return object{"ack": []object{{"ok": true}}, "emit": []object{moved}}
	case e["type"] == "event":
		return object{"error": "there are only moves"}
	}
	fmt.Println(e["type"], e["user"], e["reason"]) // disconnect, offline, ...
	return object{}
}
