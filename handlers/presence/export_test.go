package presence

const (
	TopicRooms    = topicRooms
	TopicClaimed  = topicTakenOver
	TopicExecuted = topicExecuted
	LeavingTime   = leavingTime
)

// Empty reports whether nobody is known.
func (p *Presence) Empty() bool { return len(p.people) == 0 && len(p.users) == 0 }
