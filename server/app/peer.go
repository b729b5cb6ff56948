package app

import (
	"encoding/json"
	"time"

	"signalbox/server/auth"
	"signalbox/server/hub"
)

// Peer is what a handler sees of one Socket.IO client in one namespace.
type Peer interface {
	// ID returns the Socket.IO socket id, which other clients may know.
	ID() string
	// Namespace returns the namespace with its leading slash.
	Namespace() string
	// Member returns the client's place in the hub. The door removes it when the client goes.
	Member() *hub.Member
	// Emit sends an event to this client alone. A [json.RawMessage] goes out byte for byte, a [Raw] with its attachments,
	// []byte as an attachment, also inside of []any and map[string]any, anything else as encoding/json writes it. It never
	// blocks; the error is an argument that cannot be written as JSON, or a
	// connection that has ended.
	Emit(event string, args ...any) error
	// Disconnect ends the client's stay in this namespace: it sees the reason "io server disconnect". With
	// closeConnection its other namespaces and the connection end too. What was emitted before still arrives.
	Disconnect(closeConnection bool)
	// Closed reports whether the client has left the namespace.
	Closed() bool
	// DeferDelivery keeps back what the hub delivers to this client from now on, in order. What is emitted to it alone
	// still goes out. It is called on the goroutine that handles the client's events, and paid back with one
	// ResumeDelivery there.
	DeferDelivery()
	// ResumeDelivery delivers what was kept back, but for the messages whose ID skip knows, and ends the wait. nil:
	// all of it.
	//
	// Messages with an ID that come within [DeferGrace] after that are shown to skip too: a history that nodes share
	// can have a message before the message itself has come from the other node. skip answers from memory, may be
	// called from any goroutine, and is forgotten after that time or with the next ResumeDelivery.
	ResumeDelivery(skip func(id string) bool)
}

// DeferGrace is how long a [Peer] at least remembers what a client has from the history already.
const DeferGrace = 5 * time.Second

// Raw is an argument that is JSON already, as it came in an [Event], and has binary attachments. Attachments are all
// that its placeholders refer to, by number.
type Raw struct {
	JSON        json.RawMessage
	Attachments [][]byte
}

// Handshake is what a client said when it came.
type Handshake struct {
	// Auth is the payload of its CONNECT packet: a JSON object, {} where it sent none.
	Auth json.RawMessage
	// Query and Header give the first value of a name, or "" without one. The header Host is there too.
	Query  func(name string) string
	Header func(name string) string
	// Queries returns the whole query; nil where the door does not keep it.
	Queries func() map[string][]string
	// RemoteAddr is the address of the client, behind trusted proxies the one they name.
	RemoteAddr string
	// Time is when the connection was opened.
	Time time.Time
	// Identity is whom the client's token speaks for, where something has verified it before the handler; else nil.
	Identity *auth.Identity
	// Gone is closed when the client has left, or its connection has ended. It is set for a [Patient]'s clients alone.
	Gone <-chan struct{}
}

// Handler serves the clients of one namespace.
type Handler interface {
	// Connect is called before the client is told that it is connected, so no event can come earlier. The error's
	// text becomes the message of its connect_error; use [ConnectError] to send data with it.
	Connect(p Peer, hs Handshake) (Session, error)
}

// SelfGuarding is a [Handler] that sees itself to who may come in. Where tokens are required, a namespace whose
// handler is none asks for one before the handler is asked.
type SelfGuarding interface {
	Handler
	SelfGuarding()
}

// Momentary is a [Handler] whose clients do not come back as who they were after a cut, also with RECOVERY.
type Momentary interface {
	Handler
	Momentary()
}

// Session is what a handler keeps for one client.
type Session interface {
	// Event handles one event. Calls come one at a time in the order the client sent them, on the goroutine that
	// reads from it: a slow handler slows that client only. A panic ends that client's connection only.
	Event(e *Event)
	// Close is called once, after the last Event, when the client has left or its connection has ended. The member
	// is still in its rooms then. reason is the text that the library and the JavaScript client know.
	Close(reason string)
}

// Returner is a [Session] that looks at its client again before it goes on with it after a cut, with RECOVERY.
type Returner interface {
	Session
	// Return is called when the client has come back, between two events, with what it says now. An error means that it is
	// not let in as who it was: it is then treated as one that was never here, and this session stays as it is.
	Return(hs Handshake) error
}

// Mover is a [Handler] whose clients may go on at another node of a cluster after a cut, with RECOVERY.
type Mover interface {
	Handler
	// Resume goes on with a client of another node. state is what [Packer.Pack] returned there; the client is in its rooms
	// already, and nobody is told that it has come. An error means that it is not let in as who it was; then the other node has
	// it still.
	Resume(p Peer, hs Handshake, state json.RawMessage) (Session, error)
}

// Packer is a [Session] of such a handler.
type Packer interface {
	// Pack returns, between two events, what another node needs to go on; nil: the client does not. Where it does, Close is
	// called here with [ReasonMoved].
	Pack() json.RawMessage
}

// Stayer is such a session that takes back what another node has taken over: its client has not gone there after all.
type Stayer interface{ Stayed() }

// Lander is a [Session] that has something to do as soon as its client is told that it is back, at another node or where it was:
// what it sends it now comes behind all that was missed.
type Lander interface{ Landed() }

// Keeper is a [Session] that keeps much for its client, so many bytes, which RECOVERY_BYTES counts while the client is away.
type Keeper interface{ Kept() int }

// ReasonMoved is the reason of a client that goes on at another node: nobody is told that it has left.
const ReasonMoved = "moved"

// ConnectError refuses a client with more than a text.
type ConnectError struct {
	Message string
	// Data goes out as the error's data; nil: there is none.
	Data any
}

func (e *ConnectError) Error() string { return e.Message }
