package handlers

import (
	"signalbox/store"
)

// Execute carries out what a node has left behind that is gone for good: the rooms on all nodes are told that its people
// have left them. It is called on one node of those that are there.
func (d *Doors) Execute(wills []store.Will) {
	runs := make(map[string]struct{})
	bad := 0
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
// dead, the rooms were told that its people have left: they hear that they are there.
func (d *Doors) Returned(declaredDead bool) {
	if declaredDead {
		d.Rooms.returned()
	}
}
