package library

import (
	"sync"

	"signalbox/server/socketio"
)

// openings tells the cluster which namespaces there are. Clients may make and leave a namespace of a pattern at any
// time, two of them the same one at once: whatever happens together, the cluster hears Open and Close of a name in
// turns.
type openings struct {
	cluster socketio.Cluster

	mu sync.Mutex
	// mu guards the following.
	names map[string]*openName
}

// openName is one name. Its lock is held while the cluster is told, so that one telling is over before the next begins;
// only who makes or closes the same namespace waits for it.
type openName struct {
	users int // guarded by openings.mu

	mu sync.Mutex
	// mu guards the following.
	open bool
}

// add tells the cluster of a namespace, unless it knows.
func (o *openings) add(name string) {
	o.mu.Lock()
	entry := o.names[name]
	if entry == nil {
		if o.names == nil {
			o.names = make(map[string]*openName)
		}
		entry = new(openName)
		o.names[name] = entry
	}
	entry.users++
	o.mu.Unlock()

	entry.mu.Lock()
	defer entry.mu.Unlock()
	if !entry.open {
		o.cluster.Open(name)
		entry.open = true
	}
}

// remove takes one add back. The last one closes the namespace.
func (o *openings) remove(name string) {
	o.mu.Lock()
	entry := o.names[name]
	entry.users--
	o.mu.Unlock()

	entry.mu.Lock()
	defer entry.mu.Unlock()
	if entry.open && o.unused(entry) {
		o.cluster.Close(name)
		entry.open = false
	}
	if !entry.open {
		o.forget(name, entry)
	}
}

func (o *openings) unused(entry *openName) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return entry.users == 0
}

// forget drops a name that nobody has come back to.
func (o *openings) forget(name string, entry *openName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if entry.users == 0 && o.names[name] == entry {
		delete(o.names, name)
	}
}
