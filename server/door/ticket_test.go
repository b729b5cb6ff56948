package door

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"signalbox/server/auth"
	"signalbox/store"
)

const secret = "a secret that only the tests know"

type brokenTickets struct{ store.Tickets }

func (brokenTickets) Issue(context.Context, string) (string, error) {
	return "", errors.New("the store is away")
}

func TestTicket(t *testing.T) {
	verifier, err := auth.New(auth.Config{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	token, err := auth.Mint(secret, auth.Claims{UserID: "ann"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tickets := store.NewMemoryTickets(0, 0)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	ask := func(tickets store.Tickets, query string, authorization ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/api/auth/token/ws"+query, nil)
		r.Header["Authorization"] = authorization
		w := httptest.NewRecorder()
		Ticket(verifier, tickets, log).ServeHTTP(w, r)
		return w
	}
	w := ask(tickets, "", "Bearer "+token)
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	found := regexp.MustCompile(`^{"status":1,"message":"Token generated successfully","data":{"token":"([0-9a-f]{24})"}}$`).FindStringSubmatch(w.Body.String())
	if found == nil {
		t.Fatalf("body: %s", w.Body)
	}
	if user, err := tickets.User(t.Context(), found[1]); user != "ann" || err != nil {
		t.Errorf("the ticket is of %q: %v", user, err)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"nothing":                 ask(tickets, ""),
		"another scheme":          ask(tickets, "", "Basic "+token),
		"a bad token":             ask(tickets, "", "Bearer x"),
		"two headers":             ask(tickets, "", "Bearer "+token, "Bearer "+token),
		"a token in the query":    ask(tickets, "?token="+token),
		"a token without Bearer":  ask(tickets, "", token),
		"a header and no use":     ask(tickets, "?token="+token, "Basic x"),
		"a token of another user": ask(tickets, "", "Bearer "+token[:len(token)-4]+"AAAA"),
	} {
		var body struct {
			Status  *int
			Message string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 401 || body.Status == nil || *body.Status != 0 || body.Message == "" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := ask(brokenTickets{}, "", "Bearer "+token); w.Code != 503 {
		t.Errorf("a store that is away: %d, want 503", w.Code)
	}
}
