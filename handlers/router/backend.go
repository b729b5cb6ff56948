package router

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrUnavailable is a backend's error when it cannot say anything: a client that is asked for waits or is cut, and an event's
// callback hears "unavailable".
var ErrUnavailable = errors.New("unavailable")

// Backend is the application's own logic, wherever it runs. Its methods are called from many goroutines, one at a time for
// each socket.
type Backend interface {
	// Connect asks whether a client may come in. ctx ends when the client has gone. The error is an [app.ConnectError] to
	// refuse it, or wraps [ErrUnavailable]. It may take as long as a client may be kept waiting.
	Connect(ctx context.Context, c *Connect) (*Welcome, error)
	// Event handles one event, and returns what to do about it. ctx ends with the server. A *[Failure] is told to the client, and
	// any other error is "unavailable".
	Event(ctx context.Context, e *Event) (*Result, error)
	// Remote reports whether an event costs more than a call in this process.
	Remote() bool
}

// Failure is an error whose text the client is told.
type Failure struct{ Message string }

func (f *Failure) Error() string { return f.Message }

// Connect is a client that wants to come in.
type Connect struct {
	Socket  *Socket
	Auth    json.RawMessage // without what belongs to the connection itself
	Query   map[string]string
	Headers func(name string) string
	Address string
	Claims  json.RawMessage // of a token that was good; nil without one
}

// Welcome is how a client comes in.
type Welcome struct {
	User    string // "": whom the token names
	Rooms   []string
	Data    json.RawMessage // nil: none
	Expires time.Time       // zero: it does not
	Emit    []Emission
}

// Event is one event of a client. Its slices are the event's own.
type Event struct {
	Socket      *Socket
	ID          string // the same when it is sent again
	Seq         uint64 // counts the events of the socket that were handed over
	Name        string
	RawName     json.RawMessage
	Args        []json.RawMessage
	Attachments [][]byte
	Ack         bool // the client waits for an answer
	Taken       time.Time
}

// Result is what to do about an event. It is carried out before the socket's next event is handed over: Join, Leave, Data, Emit
// in order, the answer, Disconnect.
type Result struct {
	Ack         []json.RawMessage // nil is an empty list
	Attachments [][]byte          // of Ack
	Failed      *string           // the answer is {ok:false, error}, in place of Ack
	Join, Leave []string
	Data        json.RawMessage // nil: it stays
	Emit        []Emission
	Disconnect  Ending
}

// Ending says whether a client goes on.
type Ending uint8

const (
	Stay Ending = iota
	LeaveNamespace
	CloseConnection
)

// Emission is an event for clients of the namespace.
type Emission struct {
	Self         bool // this socket alone; Rooms and Users mean nothing
	Everybody    bool // in the namespace
	Rooms, Users []string
	Except       []string // rooms, users and socket ids
	Event        string
	Args         []json.RawMessage
	Attachments  [][]byte
}
