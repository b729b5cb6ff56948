package api

import (
	"encoding/base64"

	"signalbox/server/hub"
)

// cursor is where a list of rooms goes on: behind the room with this rank and name.
type cursor struct {
	set  bool
	rank int // of the kind
	name string
}

// cursorAt returns the text of the cursor behind r. Callers take it as it is.
func cursorAt(r hub.Room) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte('a' + rank(r.Kind))}, r.Name...))
}

// parseCursor reads a cursor; "" is the start.
func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || b[0] < 'a' || int(b[0]-'a') >= len(listedKinds) {
		return cursor{}, faultf(CodeInvalidRequest, "cursor must be the next of an answer before")
	}
	return cursor{set: true, rank: int(b[0] - 'a'), name: string(b[1:])}, nil
}

// before reports whether r comes behind the cursor.
func (c cursor) before(r hub.Room) bool {
	return !c.set || rank(r.Kind) > c.rank || rank(r.Kind) == c.rank && r.Name > c.name
}
