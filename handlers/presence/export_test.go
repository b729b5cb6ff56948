package presence

const (
	TopicRooms   = topicRooms
	TopicClaimed = topicTakenOver
)

// Empty reports whether nobody is known.
func (p *Presence) Empty() bool { return len(p.people) == 0 && len(p.users) == 0 }
