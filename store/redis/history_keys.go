package redis

import (
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strings"

	"signalbox/store"
	"signalbox/store/redislink"
)

// The scripts of a history. Every key that one of them touches is among its KEYS, and all of them are in one slot.
var (
	//go:embed lua/history_append.lua
	historyAppendSource string
	//go:embed lua/history_read.lua
	historyReadSource string
	//go:embed lua/history_survey.lua
	historySurveySource string
	//go:embed lua/history_evict.lua
	historyEvictSource string

	historyRead = redislink.NewScript(historyReadSource)
)

// historyLanes is how many parts a history has. The keys of a part share a hash tag, and so a slot of Redis Cluster. All
// nodes must agree, so changing it makes them forget what there was.
//
// One slot for everything would bind the history of a whole cluster to one master: at 10 to 20 us of Redis for each message
// that ends between 50,000 and 100,000 messages a second. A slot for each room would leave nobody to say which room of all
// has waited longest. With 32 lanes a script can keep the sums of its lane, and a survey of all lanes is one round trip; the
// price is that the bounds on all rooms are seen to a little late.
const historyLanes = 32

// historyKeys makes the names of keys. Below the prefix and "-signalbox:history:{hNN}:", where NN is the lane, there are
//
//	rooms          sorted set: each room and the second when it was written to
//	sizes          hash: each room's messages, bytes, and the second and microsecond when it was written to; and the sums
//	               "*messages" and "*bytes"
//	writer:W       the number of the newest message that writer W has written; lives for a day
//	room:R:heads   list: of each message, oldest first, time (16 digits), token (21 letters), bytes and id
//	room:R:bodies  hash: token and JSON of each message
//
// All but the writers' live for 31 days, which begin anew with the first message of a day: rooms and sizes with one to any of
// their rooms.
type historyKeys struct {
	writer string
	lanes  [historyLanes]laneKeys

	// The script that appends, which has the limits in it, and what Redis calls it.
	script, scriptHash any
}

// laneKeys are the keys of a lane. They are kept as interfaces because a command wants them so.
type laneKeys struct {
	prefix             string
	rooms, sizes, mark any
}

// place is where a room is.
type place struct {
	room          string // its name
	lane          int
	name          any // what it is called in keys
	heads, bodies any
}

func newHistoryKeys(prefix string, limits store.HistoryLimits) (*historyKeys, error) {
	if i := strings.IndexByte(prefix, '{'); i >= 0 && strings.HasPrefix(prefix[i:], "{}") {
		// Redis Cluster takes the first pair of braces for the hash tag, and an empty one for none.
		return nil, fmt.Errorf("history keys: the prefix %q has empty braces", prefix)
	}
	var id [9]byte
	_, _ = rand.Read(id[:]) // does not fail
	source := fmt.Sprintf("local most, mostBytes, life, markLife, roomBytes = %d, %d, %d, %d, %d\n%s", limits.RoomMessages, limits.RoomBytes,
		historyKeyLife.Milliseconds(), historyMarkLife.Milliseconds(), roomBytes, historyAppendSource)
	k := &historyKeys{
		writer: base64.RawURLEncoding.EncodeToString(id[:]),
		script: source, scriptHash: redislink.NewScript(source).Name(),
	}
	for i := range k.lanes {
		p := fmt.Sprintf("%s-signalbox:history:{h%02d}:", prefix, i)
		k.lanes[i] = laneKeys{prefix: p, rooms: p + "rooms", sizes: p + "sizes", mark: p + "writer:" + k.writer}
	}
	return k, nil
}

// place returns where a room is. The name is kept.
func (k *historyKeys) place(room string) *place {
	h := fnv.New32a()
	_, _ = h.Write([]byte(room)) // does not fail
	p := &place{room: room, lane: int(h.Sum32() % historyLanes)}
	name := roomKey(room)
	p.name = name
	p.heads, p.bodies = k.room(p.lane, name)
	return p
}

// room returns the keys of the room that is called name in keys.
func (k *historyKeys) room(lane int, name string) (heads, bodies string) {
	key := k.lanes[lane].prefix + "room:" + name
	return key + ":heads", key + ":bodies"
}

// roomCost returns what a room counts for beside its messages.
func roomCost(name string) int64 { return roomBytes + 4*int64(len(name)) }

// roomKey returns what a room is called in keys: its name where that is short and plain, so that people can read it, and
// else a hash of it.
func roomKey(room string) string {
	plain := room != "" && len(room) <= 64
	for i := 0; plain && i < len(room); i++ {
		c := room[i]
		plain = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
	}
	if plain {
		return room
	}
	sum := sha256.Sum256([]byte(room))
	return "~" + base64.RawURLEncoding.EncodeToString(sum[:18])
}
