package api

import (
	"encoding/base64"

	"signalbox/server/hub"
)

// cursorAt returns the text of the cursor behind r. Callers take it as it is.
func cursorAt(r hub.Room) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte('a' + rank(r.Kind))}, r.Name...))
}

// parseCursor reads a cursor; nil for "", the start.
func parseCursor(text string) (*hub.Room, error) {
	if text == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || b[0] < 'a' || int(b[0]-'a') >= len(listedKinds) {
		return nil, faultf(CodeInvalidRequest, "cursor must be the next of an answer before")
	}
	return &hub.Room{Kind: listedKinds[b[0]-'a'], Name: string(b[1:])}, nil
}
