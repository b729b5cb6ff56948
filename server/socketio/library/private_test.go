package library

import (
	"strings"
	"testing"

	sio "github.com/zishang520/socket.io/v2/socket"
)

// A library that keeps its fields elsewhere is refused, in words.
func TestFieldsThatAreNotThere(t *testing.T) {
	for name, err := range map[string]error{
		"gone":         second(offset[sio.Socket, sio.SocketId]("sid")),
		"another type": second(offset[sio.Socket, int]("id")),
	} {
		if err == nil || !strings.Contains(err.Error(), "has changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newPrivate(); err != nil {
		t.Error(err)
	}
}

func second(_ uintptr, err error) error { return err }
