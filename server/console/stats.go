package console

import (
	"sync"
	"time"
)

// statsAge is for how long one reading is given to everybody: counting connections costs more, the more there are.
const statsAge = 250 * time.Millisecond

// Stats is what the page shows. Totals count from the start of the server.
type Stats struct {
	// TimeMillis is when this was read, in milliseconds since 1970. The console fills it in.
	TimeMillis int64 `json:"time"`
	// UptimeSeconds is the age of the process.
	UptimeSeconds float64 `json:"uptime"`

	// Open now.
	Polling    int64 `json:"polling"`    // Socket.IO clients on polling
	WebSocket  int64 `json:"websocket"`  // Socket.IO clients on websockets
	Plain      int64 `json:"plain"`      // plain WebSockets
	Streams    int64 `json:"streams"`    // SSE
	Sockets    int64 `json:"sockets"`    // Socket.IO clients in namespaces
	Outbox     int64 `json:"outbox"`     // bytes that wait to be sent
	Goroutines int64 `json:"goroutines"` // of the process
	Heap       int64 `json:"heap"`       // bytes of memory in use

	// Rooms with members, by kind.
	Rooms map[string]int `json:"rooms"`

	// Recovery is of clients that were cut; nil: they do not come back here.
	Recovery *Recovery `json:"recovery,omitempty"`

	// Totals.
	EventsIn   uint64 `json:"eventsIn"`
	PacketsIn  uint64 `json:"packetsIn"`
	PacketsOut uint64 `json:"packetsOut"`
	BytesIn    uint64 `json:"bytesIn"`
	BytesOut   uint64 `json:"bytesOut"`
	Opened     uint64 `json:"opened"`
	Refused    uint64 `json:"refused"`
	Slow       uint64 `json:"slow"` // clients that were ended because they did not read
	Panics     uint64 `json:"panics"`
}

// Recovery is what is kept for clients that were cut, and what came of those that wanted to come back.
type Recovery struct {
	Away      int               `json:"away"`     // clients that may come back, now
	Messages  int               `json:"messages"` // that are kept for them, and for those that are cut next
	Bytes     int64             `json:"bytes"`
	Recovered uint64            `json:"recovered"`
	Failed    map[string]uint64 `json:"failed"` // by reason
}

// reading is the newest Stats, shared by all who ask within a moment.
type reading struct {
	read func() Stats

	mu sync.Mutex
	// mu guards the following.
	at   time.Time
	last Stats
}

func (r *reading) now() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.at.IsZero() || now.Sub(r.at) >= statsAge {
		r.last = r.read()
		r.last.TimeMillis = now.UnixMilli()
		r.at = now
	}
	return r.last
}
