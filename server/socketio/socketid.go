package socketio

import (
	"crypto/rand"
	"encoding/base64"
	"reflect"
	"unsafe"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
)

// idOffset is where the library keeps the id in a Socket. The field is its own, and there is no other way to name a
// socket but one that calls it recovered.
var idOffset, idKnown = func() (uintptr, bool) {
	field, ok := reflect.TypeFor[sio.Socket]().FieldByName("id")
	return field.Offset, ok && field.Type == reflect.TypeFor[sio.SocketId]()
}()

// nameSocket is a middleware that runs before all others, when nobody has seen the id that the library gave: it gives the
// socket one of the length that [hub.NamespaceRoom] knows a socket by; the library's have 24 characters. Where a later library keeps ids elsewhere, its own stay.
func nameSocket(sock *sio.Socket, next func(*sio.ExtendedError)) {
	if idKnown {
		*(*sio.SocketId)(unsafe.Add(unsafe.Pointer(sock), idOffset)) = newSocketID()
	}
	next(nil)
}

// newSocketID returns an id that nobody can guess and nobody else has.
func newSocketID() sio.SocketId {
	var b [hub.SocketIDLength * 3 / 4]byte
	rand.Read(b[:]) // never fails
	return sio.SocketId(base64.RawURLEncoding.EncodeToString(b[:]))
}

// nameSockets has the sockets of every namespace named, those that clients make by a pattern included.
func nameSockets(io *sio.Server) {
	io.Sockets().Fns().Unshift(nameSocket)
	_ = io.Sockets().On("new_namespace", func(args ...any) { // registering never fails
		if nsp, ok := args[0].(sio.Namespace); ok {
			nsp.Fns().Unshift(nameSocket)
		}
	})
}
