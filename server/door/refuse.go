package door

import (
	"encoding/json"
	"errors"
	"net/http"

	"signalbox/server/app"
)

// Refuse answers a request that a handler has turned away: a [*app.Refusal] with its status, anything else with 500. The
// body is {"status":0,"message":...}, as clients of the ticket routes know it.
func Refuse(w http.ResponseWriter, err error) {
	var refusal *app.Refusal
	if !errors.As(err, &refusal) {
		refusal = &app.Refusal{Status: http.StatusInternalServerError}
	}
	if refusal.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 section 15.5.2: a 401 says how to do better
	}
	answer(w, refusal.Status, struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
	}{0, refusal.Text()})
}

// answer writes body as JSON. It is about one client at one moment, so nobody may keep it.
func answer(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, nil // never: callers pass structs of text and numbers
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may have gone
}
