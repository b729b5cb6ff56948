package handlers

import (
	"time"

	"signalbox/store"
)

const (
	// burst messages of this node's own go to the others at once, and the next after a breath: the queue to them is bounded,
	// and what clients send is to find room in it too. That makes about 60,000 in a second.
	burst  = 256
	breath = 4 * time.Millisecond
)

// pace keeps a goroutine that tells much from telling it all at once. The zero value is ready.
type pace struct{ told int }

// step is called after each message.
func (p *pace) step() {
	if p.told++; p.told%burst == 0 {
		time.Sleep(breath)
	}
}

// Execute carries out what a node has left behind that is gone for good: the rooms on all nodes are told that its people
// have left them. It is called on one node of those that are there, and takes its time where much is left, see [burst].
func (d *Doors) Execute(wills []store.Will) {
	runs := make(map[string]struct{})
	bad := 0
	var p pace
	for _, w := range wills {
		switch w.Topic {
		case willRoom:
			run, err := d.Rooms.execute(w.Body)
			if err != nil {
				bad++
				continue
			}
			runs[run] = struct{}{}
		case willTap:
			if !d.Tap.execute(w.Body) {
				bad++
			}
		default:
			bad++
		}
		p.step()
	}
	for run := range runs {
		d.Presence.executed(run)
	}
	if bad > 0 {
		d.gate.log.Warn("wills that cannot be carried out", "wills", bad)
	}
}

// Leaving takes note that a node leaves, and what it leaves behind: its people stay in lists until they have come back to
// another node or Execute comes for them, a minute at most.
func (d *Doors) Leaving(node string, wills []store.Will) {
	d.gate.log.Debug("people of a node that leaves", "node", node, "wills", len(wills))
	d.Presence.leaving.add(wills)
}

// Draining is called when this node begins to leave, before it ends its clients. Who goes by itself from then on is taken out
// of the lists that other nodes keep of those who leave with it.
func (d *Doors) Draining() { d.Rooms.draining.Store(true) }

// Returned is called when this node is among the others again after they could not see it. Where they have declared it
// dead, the rooms were told that its people have left: they hear that they are there. It takes its time, as Execute does.
func (d *Doors) Returned(declaredDead bool) {
	if declaredDead {
		d.Rooms.returned()
	}
}
