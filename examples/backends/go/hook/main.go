// A backend that signalbox posts to, with nothing but Go's standard library: go run ., with HOOKS_SECRET as signalbox has it.
package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
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

// isSigned reports whether a request comes from who has the secret, and is not an old one.
func isSigned(key []byte, h http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	seconds, _ := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	return time.Since(time.Unix(seconds, 0)).Abs() < 5*time.Minute && slices.ContainsFunc(strings.Fields(h.Get("webhook-signature")),
		func(s string) bool { return hmac.Equal([]byte(s), []byte(want)) })
}

func main() {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("HOOKS_SECRET"), "whsec_"))
	if err != nil || len(key) == 0 {
		log.Fatal("HOOKS_SECRET is not set")
	}
	hook := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		var told struct{ Events []event }
		if err != nil || !isSigned(key, r.Header, body) || json.Unmarshal(body, &told) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		results := []object{}
		for _, e := range told.Events {
			results = append(results, handle(e))
		}
		_ = json.NewEncoder(w).Encode(object{"results": results}) // who has gone does not read it
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "4000"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("backend at http://%s/\n", l.Addr())
	log.Fatal(http.Serve(l, http.HandlerFunc(hook)))
}
