// A backend that signalbox posts to, with nothing but Go's standard library: PORT=4000 go run ., with HOOKS_SECRET as signalbox has it.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"signalbox/examples/backends/go/game"
)

// isSigned reports whether a request comes from who has the secret, and is not an old one.
func isSigned(h http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("HOOKS_SECRET"), "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	seconds, _ := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	isFresh := time.Since(time.Unix(seconds, 0)).Abs() < 5*time.Minute
	isRight := func(s string) bool { return hmac.Equal([]byte(s), want) }
	return err == nil && len(key) > 0 && isFresh && slices.ContainsFunc(strings.Fields(h.Get("webhook-signature")), isRight)
}

func main() {
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)); err != nil || !isSigned(r.Header, body) {
			w.WriteHeader(http.StatusUnauthorized)
		} else if answer, err := game.Answer(body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		} else {
			_, _ = w.Write(answer) // who has gone does not read it
		}
	})))
}
