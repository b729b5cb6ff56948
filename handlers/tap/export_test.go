package tap

const (
	ReplayMessages = replayMessages
	ReplayBytes    = replayBytes
	MaxPlaces      = maxPlaces
	TellTap        = tellTap
)

var Listeners = listeners

// Place is the id of a message at a process that began so many milliseconds later than this one.
func (t *Tap) Place(later int64, tag string, number uint64) string {
	return string(appendPlace(nil, place{process{t.recent.run.began + later, tag}, number}))
}
