package gate

import (
	"encoding/json"
	"strings"

	"signalbox/handlers/internal/payload"
	"signalbox/server/app"
)

// Token returns the token of a CONNECT, "" without one.
func Token(hs app.Handshake) string {
	var auth struct {
		Token json.RawMessage `json:"token"`
	}
	if json.Unmarshal(hs.Auth, &auth) == nil {
		if token, ok := payload.StringValue(auth.Token); ok {
			return token
		}
	}
	if auth.Token != nil {
		return "" // of another type: it is not for us to look elsewhere
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(hs.Header("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}
