package library

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"
)

// private reaches three fields that the library keeps to itself, and without which programs would not get what its
// documentation promises: the id of a socket, which Node servers know by its length; the middleware that a program has
// given a socket, which the library itself runs on a goroutine for each event, out of order; and the functions that
// allow dynamic namespaces, whose answers it does not wait for.
type private struct{ idOffset, fnsOffset, parentsOffset uintptr }

// newPrivate looks the fields up. The error says that the library has changed.
func newPrivate() (p private, err error) {
	if p.idOffset, err = offset[sio.Socket, sio.SocketId]("id"); err != nil {
		return p, err
	}
	if p.fnsOffset, err = offset[sio.Socket, *types.Slice[sio.SocketMiddleware]]("fns"); err != nil {
		return p, err
	}
	p.parentsOffset, err = offset[sio.Server, *types.Map[sio.ParentNspNameMatchFn, sio.ParentNamespace]]("parentNsps")
	return p, err
}

func offset[S, F any](name string) (uintptr, error) {
	field, ok := reflect.TypeFor[S]().FieldByName(name)
	if !ok || field.Type != reflect.TypeFor[F]() {
		return 0, fmt.Errorf("the Socket.IO library has changed: %v has no field %s of type %v",
			reflect.TypeFor[S](), name, reflect.TypeFor[F]())
	}
	return field.Offset, nil
}

func (p private) id(s *sio.Socket) *sio.SocketId {
	return (*sio.SocketId)(unsafe.Add(unsafe.Pointer(s), p.idOffset))
}

func (p private) middleware(s *sio.Socket) []sio.SocketMiddleware {
	return (*(**types.Slice[sio.SocketMiddleware])(unsafe.Add(unsafe.Pointer(s), p.fnsOffset))).All()
}

func (p private) parents(s *sio.Server) *types.Map[sio.ParentNspNameMatchFn, sio.ParentNamespace] {
	return *(**types.Map[sio.ParentNspNameMatchFn, sio.ParentNamespace])(unsafe.Add(unsafe.Pointer(s), p.parentsOffset))
}
