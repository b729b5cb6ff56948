package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/store"
	"signalbox/store/redislink"
)

var (
	scriptLeave  = script("head", "registry", "leave")
	scriptUnseen = script("head", "registry", "unseen")
	scriptClose  = script("head", "registry", "close")
)

// Defaults of [NodeOptions].
const (
	DefaultLease = 6 * time.Second
	DefaultBeat  = 2 * time.Second
)

// NodeOptions say who a node is. Link, Prefix and ID must be set.
type NodeOptions struct {
	Link   *redislink.Link
	Prefix string
	// ID names the node. It is another one each time a process starts.
	ID string
	// Lease is how long a node that gives no sign is held to be alive, default 6 s; Beat is the time between two signs,
	// default 2 s. Each node looks after the others twice in each Beat, so what a node leaves behind that dies is carried out
	// within Lease and Beat. All nodes of a cluster have the same.
	Lease, Beat time.Duration
	Log         *slog.Logger // default: nobody
}

// NodeCalls are what a node tells. All must be set. They are called on goroutines of the node, OnDead one at a time, OnReturn
// one at a time.
type NodeCalls struct {
	// OnDead is told of a node that is dead. What is left of it was given to this node alone: the notices, each as often as it
	// counts, and the users, who are to be taken with [Users.Release]. Should this node die in the middle, another one is given
	// the same notices and the rest of the users. ctx is over when this node can no longer be sure to be alone with them, and
	// after a minute; OnDead returns then.
	OnDead func(ctx context.Context, node string, notices []store.LeaveNotice)
	// OnReturn is told that this node was not registered, and is again, with its notices. declaredDead: the others had declared it
	// dead, and have carried out what it left; else Redis had forgotten it. [Users.Repair] is called from here.
	OnReturn func(ctx context.Context, declaredDead bool)
	// OnLeaving is told once of a node that is leaving, before its Leave returns: it has these notices, which may be taken over.
	// It must not wait.
	OnLeaving func(node string, notices []store.LeaveNotice)
	// OnLeft is told of a node that OnLeaving was told of, when it is leaving no more: it has ended, or has come back. It must
	// not wait.
	OnLeft func(node string)
}

// Node is a node's place in the cluster: it lives while its lease is renewed, and leaves notices for when it is not. Make it with
// [NewNode], then call Start; Close ends it. Its methods may be called from any goroutine.
//
// # What holds
//
// A node that dies, is stopped, or cannot reach Redis any more for a lease, is declared dead by the others, and what it left
// is given to exactly one of them. Only a node that has been in touch with Redis for a whole lease, without a gap in which
// others might have lost theirs, declares anybody dead: so when Redis was away, or this process was stopped, everybody may
// come back first.
//
// A node that was declared dead and lives comes back under a new incarnation: what others still carry out is what the old one
// had left. OnReturn comes when they have ended, so what it tells is told last.
//
// Notices are carried out at least once: twice where the node that has carried them out dies before it has said so. A node's
// last changes are lost with it if they were not yet written; that takes a millisecond.
type Node struct {
	// Static after construction.
	o       NodeOptions
	log     *slog.Logger
	look    time.Duration // between two looks after the others
	keys    keys
	notices *notices
	ctx     context.Context // ends with the node, or when it leaves
	cancel  context.CancelFunc

	calls NodeCalls // set by Start, before what calls them runs

	contact contact
	// leaving are the others that are leaving.
	leaving   atomic.Pointer[[]incarnation]
	takeovers takeovers
	restored  chan struct{} // there is something for restoreLoop to do
	back      chan struct{} // Redis can be reached: the beat need not wait
	arrived   chan struct{} // it was registered: the look after the others need not wait
	known     chan struct{} // closed by acquaint
	acquaint  sync.Once     // when the others know of it, and it of those who are leaving
	work      chan string   // what this node was given, for workLoop
	beats     sync.WaitGroup
	others    sync.WaitGroup // the other loops

	// mu guards the following.
	mu       sync.Mutex
	run      string             // incarnation under which it is registered; empty: not yet
	next     string             // incarnation under which it is to be registered; empty: it is
	old      []string           // incarnations that were declared dead
	returned bool               // OnReturn is to be called,
	wasDead  bool               // with this
	at       string             // work this node was given
	loseWork context.CancelFunc // ends it
	left     bool
	closed   bool
}

// incarnation is a node, and what it is called while it is not declared dead.
type incarnation struct{ node, run string }

// named is what work of an incarnation is called. It is also what those are called who carry it out.
func (i incarnation) named() string { return i.run + " " + i.node }

// NewNode returns a node that has not been started, to which notices may be given already. It is to be closed before the link is.
func NewNode(o NodeOptions) *Node {
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	if o.Beat <= 0 {
		o.Beat = DefaultBeat
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &Node{
		o: o, log: log.With("node", o.ID), look: o.Beat / 2, keys: keysOf(o.Prefix), notices: newNotices(o.Link),
		ctx: ctx, cancel: cancel, contact: contact{gap: o.Lease / 2, lease: o.Lease},
		restored: make(chan struct{}, 1), back: make(chan struct{}, 1), arrived: make(chan struct{}, 1),
		known: make(chan struct{}), work: make(chan string, 1), next: newIncarnation(),
	}
	n.leaving.Store(new([]incarnation))
	return n
}

// Start registers the node as soon as Redis can be reached, and returns at once. It is called once, before Leave and Close.
func (n *Node) Start(calls NodeCalls) {
	n.calls = calls
	n.o.Link.OnState(func(up bool) {
		if up {
			select {
			case n.back <- struct{}{}:
			default: // it is about to beat
			}
		}
	})
	n.beats.Go(n.beatLoop)     // awaited by Leave and Close
	n.others.Go(n.lookLoop)    // awaited by Close
	n.others.Go(n.workLoop)    // awaited by Close
	n.others.Go(n.restoreLoop) // awaited by Close
}

// Registered is closed when the node was registered for the first time, and has seen who is leaving. Until then nobody would
// miss it, and nobody can come back to it.
func (n *Node) Registered() <-chan struct{} { return n.known }

func newIncarnation() string {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

// AddNotice implements [store.LeaveNotices].
func (n *Node) AddNotice(w store.LeaveNotice) { n.notices.add(w) }

// WithdrawNotice implements [store.LeaveNotices]. While this node is leaving, others take notices over before it withdraws
// them: a withdrawal of one that was taken over changes nothing.
func (n *Node) WithdrawNotice(key string) { n.notices.withdraw(key) }

// Settle returns when Redis has every notice that was added before, and what was withdrawn is gone.
func (n *Node) Settle(ctx context.Context) error {
	n.mu.Lock()
	registered := n.run != "" && n.next == ""
	n.mu.Unlock()
	if !registered {
		return ErrNotRegistered
	}
	return n.notices.settle(ctx)
}

// Leave says that this node drains: it gives no more signs, and what it leaves behind stays untouched for the time of grace,
// or until others take it over. It returns when every other node knows, so whoever goes to one of them after that can be taken over; a
// node that does not look is waited for two beats. After the grace this node is dead to the others. The notices may be changed
// until [Node.Close].
//
// With an error the others are not sure to know, and the lease of this node runs out by itself. [ErrNotRegistered]: there
// is nothing to leave. Without grace, it is as Close.
func (n *Node) Leave(ctx context.Context, grace time.Duration) error {
	if grace <= 0 {
		return n.Close(ctx)
	}
	n.mu.Lock()
	first := !n.left && !n.closed
	n.left = true
	n.mu.Unlock()
	if !first {
		return nil
	}
	n.cancel()
	n.beats.Wait() // a beat that is under way might register again
	me := n.me()
	if err := n.notices.leave(ctx); err != nil {
		return err
	}
	version, err := runNumber(ctx, n.o.Link, scriptLeave, n.keys.all(), me.node, me.run, grace.Milliseconds())
	if err != nil {
		return err
	}
	if version == 0 {
		return ErrNotRegistered
	}
	return n.awaitSeen(ctx, version)
}

// awaitSeen waits until all other nodes have seen a version of who is leaving, or for two beats.
func (n *Node) awaitSeen(ctx context.Context, version int64) error {
	ctx, cancel := context.WithTimeout(ctx, 2*n.o.Beat)
	defer cancel()
	again := time.NewTicker(n.look / 20)
	defer again.Stop()
	for {
		unseen, err := runNumber(ctx, n.o.Link, scriptUnseen, n.keys.all(), n.o.ID, version)
		if err == nil && unseen == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil // who has not looked by now may never do
		}
	}
}

// Close ends the node. One that has left keeps what it left until the grace is over. Any other is taken off the register; where
// it has notices or users still, another node is given them at once. It returns when none of its calls runs any more, or
// when ctx is over.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	first, left := !n.closed, n.left
	n.closed = true
	n.mu.Unlock()
	n.cancel()
	n.beats.Wait()
	var err error
	if me := n.me(); first && !left && me.run != "" {
		err = n.deregister(ctx, me)
	}
	n.notices.close()
	ended := make(chan struct{})
	go func() { // ends with the calls, which return when their ctx is over
		n.others.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// deregister takes this node off the register.
func (n *Node) deregister(ctx context.Context, me incarnation) error {
	flushed := n.notices.settle(ctx)
	_, err := n.o.Link.Run(ctx, scriptClose, n.keys.all(), me.node, me.run, flag(n.notices.some()))
	return errors.Join(flushed, err)
}

// me is this node as it is registered; its run is empty before that.
func (n *Node) me() incarnation {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.meLocked()
}

func (n *Node) meLocked() incarnation { return incarnation{node: n.o.ID, run: n.run} }
