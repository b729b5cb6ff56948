package door

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/store"
)

// ticketTimeout bounds asking the store for a ticket.
const ticketTimeout = 5 * time.Second

// Verifier says whom a token speaks for; [auth.Verifier] is one.
type Verifier interface {
	Verify(token string) (*auth.Identity, error)
}

// Ticket returns the handler of the request for a ticket. Who sends a good token as Authorization: Bearer gets 200 with
// {"status":1,"message":"Token generated successfully","data":{"token":<ticket>}}, anybody else 401 with
// {"status":0,"message":...}. A token in the query does not count: it would be in logs for nothing.
func Ticket(v Verifier, tickets store.Tickets, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := v.Verify(auth.FromRequest(&http.Request{Header: r.Header, URL: new(url.URL)}))
		if err != nil {
			log.Debug("token refused", "reason", auth.Reason(err))
			Refuse(w, &app.Refusal{Status: http.StatusUnauthorized})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), ticketTimeout)
		defer cancel()
		ticket, err := tickets.Issue(ctx, id.UserID())
		if err != nil {
			log.Error("ticket not issued", "error", err)
			Refuse(w, &app.Refusal{Status: http.StatusServiceUnavailable})
			return
		}
		var body struct {
			Status  int    `json:"status"`
			Message string `json:"message"`
			Data    struct {
				Token string `json:"token"`
			} `json:"data"`
		}
		body.Status, body.Message, body.Data.Token = 1, "Token generated successfully", ticket
		answer(w, http.StatusOK, body)
	})
}
