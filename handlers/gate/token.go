package gate

import (
	"strings"

	"signalbox/server/app"
	"signalbox/server/rawjson"
)

// Token returns the token of a CONNECT, "" without one.
func Token(hs app.Handshake) string {
	if f, ok := rawjson.Fields(hs.Auth, "token"); ok && f[0] != nil {
		token, _ := rawjson.Text(f[0])
		return token // "" for another type: it is not for us to look elsewhere
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(hs.Header("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}
