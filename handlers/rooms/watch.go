package rooms

import (
	"signalbox/handlers/gate"
	"signalbox/server/app"
	"signalbox/server/hub"
)

// Watch returns the handler of the streams of rooms, whose route has the parameter room: who comes and goes, messages, and
// what is published on room:<room>. It needs a token that opens the room. Who watches is not in the room: nobody is told.
func (r *Rooms) Watch() app.StreamHandler { return watchDoor{r} }

type watchDoor struct{ rooms *Rooms }

// Connect implements [app.StreamHandler].
func (d watchDoor) Connect(p app.StreamPeer, v app.Visit) (app.StreamSession, error) {
	r := d.rooms
	id, err := r.gate.Verify(v.Token)
	if err != nil {
		return nil, err
	}
	room := v.Param("room")
	if room == "" || len(room) > maxRoomBytes-2 || !hub.MayJoin(room) || !id.CanJoin(room) {
		return nil, gate.ErrForbidden
	}
	s := r.presence.OpenStream(r.gate, p, v.RemoteAddr, id) // first: in the room it is known for a stream
	r.hub.Join(p.Member(), roomAddress(room))
	return s, nil
}
