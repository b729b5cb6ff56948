package move

import (
	"context"
	"sync"
)

// Passage is a session on its way from one node to another, as one of the two has it: it says which messages are for this node
// to give to the client. Its methods may be called from any goroutine.
type Passage struct {
	// Static after construction.
	id       string
	arriving bool   // at the new node; else it is the old one
	newNode  string // what messages of the new node bear

	mu sync.Mutex
	// mu guards the following.
	channels []string
	own      bool            // what is sent at this node itself is for it to give
	marks    map[string]bool // a role and a channel: the mark has come
	over     bool
	complete chan struct{} // closed when all marks have come
}

// Who has put a mark.
const (
	oldNode = "o"
	newNode = "n"
)

func newPassage(id string, arriving bool, newNode string, channels []string) *Passage {
	return &Passage{id: id, arriving: arriving, own: !arriving, newNode: newNode, channels: channels,
		marks: make(map[string]bool), complete: make(chan struct{})}
}

// Takes reports whether a message is for this node to give to the client: one that came from a server over a channel, "" where
// it is sent here.
func (p *Passage) Takes(from, channel string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.channels) == 1 {
		channel = p.channels[0] // whatever comes is in one order
	}
	switch {
	case from == "":
		return p.own
	case p.arriving:
		return p.marks[oldNode+channel]
	case from == p.newNode:
		return !p.marks[newNode+channel]
	default:
		return !p.marks[oldNode+channel]
	}
}

// Begun reports whether some messages are not for this node any more: it is the old one.
func (p *Passage) Begun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.own || len(p.marks) > 0
}

// switchOwn changes whose the messages are that are sent here.
func (p *Passage) switchOwn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = p.arriving
}

func (p *Passage) mark(role, channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks[role+channel] = true
	for _, c := range p.channels {
		if !p.marks[oldNode+c] || !p.marks[newNode+c] {
			return
		}
	}
	if !p.over {
		p.over = true
		close(p.complete)
	}
}

// await returns when all marks have come: the answer with what was missed may come by another way, and be faster.
func (p *Passage) await(ctx context.Context) error {
	select {
	case <-p.complete:
		return nil
	case <-ctx.Done():
		return ErrNodes
	}
}

// Arriving reports whether this is the new node.
func (p *Passage) Arriving() bool { return p.arriving }
