package recovery

import "signalbox/server/wire"

// This file is how a session goes on at another node: what its client missed comes along, with the offsets that the messages
// have in it.

// Missed is a message that a client missed, as one node gives it to another.
type Missed struct {
	Offset string         `json:"o"`
	Parts  []wire.Content `json:"p"`
}

// landing is an offset of another node, and how many messages of the session a client has that got it last.
type landing struct {
	offset   string
	position uint64
}

const landingBytes = 48

// landed marks the logs of what came from another node, one for each session.
const landed = 0xff

// Carry returns what [Session.Missed] does, for another node.
func (s *Session) Carry(offset string, maxBytes int) (missed []Missed, err error) {
	before := make(map[uint64]string, len(s.landings))
	for _, l := range s.landings {
		before[l.position] = l.offset
	}
	err = s.missed(offset, maxBytes, func(m *wire.Message, position, seq uint64) {
		text, is := before[position]
		if !is {
			text = string(appendOffset(nil, s.store.node, seq))
		}
		missed = append(missed, Missed{text, m.Contents()})
	})
	return missed, err
}

// Land adds what a client missed at another node to its session here, before anything else, and returns it as messages. offset
// is what the client had got last.
func (s *Session) Land(offset string, missed []Missed) []*wire.Message {
	if offset != "" {
		s.landings = append(s.landings, landing{offset, 0})
	}
	messages := make([]*wire.Message, len(missed))
	for i, m := range missed {
		messages[i] = wire.Of(m.Parts)
		s.Note(s.store.Append(Room{Kind: landed, Name: s.pid}, messages[i], nil))
		s.landings = append(s.landings, landing{m.Offset, s.next})
	}
	size := int64(len(s.landings)) * landingBytes
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.size.Add(size); !s.closed {
		s.store.bytes += size
	}
	return messages
}
