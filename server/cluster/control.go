package cluster

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// What signalbox nodes say to each other beside messages. A control message is one letter, the id of the node that sends
// it, and a body. Those for all go over one channel, those for one node over that node's own.
const (
	controlHello   = 'H' // I have come, or come back: seq, bitmap. Answered with controlState
	controlState   = 'S' // seq, bitmap
	controlChange  = 'D' // seq, number of added slots, added slots, removed slots
	controlConfirm = 'K' // seq: I know your changes up to it
	controlBeat    = 'B' // seq, time
	controlProbe   = 'P' // time; to oneself
	controlAgain   = 'R' // tell me your state
	controlBye     = 'Q'
	controlTell    = 'T' // topic, body
	controlAsk     = 'A' // id, topic, body
	controlAnswer  = 'Y' // id, body
	controlRefuse  = 'N' // id: there will be no answer
	controlCount   = 'C' // id, count
)

// nodeIDLength is the length of a node's id: hex digits.
const nodeIDLength = 16

var errControl = errors.New("control message that cannot be read")

// appendControl begins a control message.
func (c *Cluster) appendControl(kind byte) []byte {
	return append(append(make([]byte, 0, 64), kind), c.id...)
}

func (c *Cluster) mailbox(node string) string { return c.everyone + node + "#" }

// tellAll and tellOne publish a control message, and report whether they could.
func (c *Cluster) tellAll(b []byte) bool              { return c.say(c.everyone, b) }
func (c *Cluster) tellOne(node string, b []byte) bool { return c.say(c.mailbox(node), b) }

func (c *Cluster) say(channel string, b []byte) bool {
	c.voice.RLock()
	defer c.voice.RUnlock()
	return !c.silent && c.publish(false, channel, b)
}

// publish publishes something that is waited for, or that others go by, and reports whether it could. Where the link is only
// about to notice that Redis has gone it does not: those who wait were told already.
func (c *Cluster) publish(sharded bool, channel string, b []byte) bool {
	switch {
	case !c.link.Up():
		return false
	case sharded:
		return c.link.SPublish(channel, b)
	default:
		return c.link.Publish(channel, b)
	}
}

// tellChange is [interest.tell].
func (c *Cluster) tellChange(seq uint64, added, removed []uint16) bool {
	b := binary.BigEndian.AppendUint64(c.appendControl(controlChange), seq)
	b = binary.BigEndian.AppendUint16(b, uint16(len(added)))
	for _, slot := range added {
		b = binary.BigEndian.AppendUint16(b, slot)
	}
	for _, slot := range removed {
		b = binary.BigEndian.AppendUint16(b, slot)
	}
	return c.tellAll(b)
}

func (c *Cluster) appendState(b []byte) []byte {
	seq, bits := c.interest.state()
	b = binary.BigEndian.AppendUint64(b, seq)
	for _, word := range bits {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	return b
}

// control handles one control message. It runs on the goroutine that receives.
func (c *Cluster) control(payload []byte) error {
	if len(payload) < 1+nodeIDLength {
		return errControl
	}
	node, body := string(payload[1:1+nodeIDLength]), payload[1+nodeIDLength:]
	if node == c.id {
		return c.takeEcho(payload[0], body)
	}
	if !isNodeID(node) {
		return errControl
	}
	now := time.Now()
	switch payload[0] {
	case controlHello, controlState:
		return c.takeState(payload[0], node, body, now)
	case controlChange:
		return c.takeChange(node, body, now)
	case controlBeat:
		seq, _, err := cutNumber(body)
		if err == nil && !c.members.hear(node, seq, now) {
			c.tellOne(node, c.appendControl(controlAgain))
		}
		return err
	case controlConfirm:
		seq, _, err := cutNumber(body)
		if err == nil {
			c.interest.confirmed(node, seq)
		}
		return err
	case controlAgain:
		c.tellOne(node, c.appendState(c.appendControl(controlState)))
		return nil
	case controlBye:
		c.left(node)
		return nil
	case controlTell:
		return c.takeTell(body)
	case controlAsk:
		return c.takeAsk(node, body)
	case controlAnswer:
		id, answer, err := cutNumber(body)
		if err == nil {
			c.questions.answer(id, node, answer)
		}
		return err
	case controlRefuse:
		id, _, err := cutNumber(body)
		if err == nil {
			c.questions.refuse(id, node)
		}
		return err
	case controlCount:
		id, rest, err := cutNumber(body)
		if err != nil {
			return err
		}
		n, _, err := cutNumber(rest)
		if err == nil {
			c.counts.answer(id, node, int(min(n, 1<<40)))
		}
		return err
	default:
		return nil // of a later version
	}
}

// takeEcho handles what this node has said itself.
func (c *Cluster) takeEcho(kind byte, body []byte) error {
	if kind != controlChange && kind != controlBeat && kind != controlProbe {
		return nil
	}
	n, rest, err := cutNumber(body)
	if err != nil {
		return err
	}
	switch kind {
	case controlChange:
		c.interest.echoed(n)
		return nil
	case controlBeat:
		if n, _, err = cutNumber(rest); err != nil {
			return err
		}
	}
	c.attention.saw(n)
	return nil
}

func (c *Cluster) takeState(kind byte, node string, body []byte, now time.Time) error {
	seq, rest, err := cutNumber(body)
	if err != nil || len(rest) < slots/8 {
		return errControl
	}
	var bits bitmap
	for word := range bits {
		bits[word] = binary.BigEndian.Uint64(rest[8*word:])
	}
	c.members.learn(node, seq, &bits, now)
	c.confirm(node, seq)
	if kind == controlHello {
		c.tellOne(node, c.appendState(c.appendControl(controlState)))
	}
	return nil
}

func (c *Cluster) takeChange(node string, body []byte, now time.Time) error {
	seq, rest, err := cutNumber(body)
	if err != nil || len(rest) < 2 || len(rest)%2 != 0 {
		return errControl
	}
	n := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	if n > len(rest)/2 {
		return errControl
	}
	changed := make([]uint16, len(rest)/2)
	for i := range changed {
		changed[i] = binary.BigEndian.Uint16(rest[2*i:]) % slots
	}
	if !c.members.change(node, seq, changed[:n], changed[n:], now) {
		c.tellOne(node, c.appendControl(controlAgain))
		return nil
	}
	c.confirm(node, seq)
	return nil
}

func (c *Cluster) confirm(node string, seq uint64) {
	c.tellOne(node, binary.BigEndian.AppendUint64(c.appendControl(controlConfirm), seq))
}

// left is called when a node has gone for good, and reports whether it was known.
func (c *Cluster) left(node string) bool {
	was := c.members.forget(node)
	c.interest.gone(node)
	c.missing(node)
	return was
}

// missing has no answer of a node waited for.
func (c *Cluster) missing(node string) {
	c.questions.gone(node)
	c.counts.gone(node)
}

// isNodeID reports whether a text may be what [NewNodeID] returns.
func isNodeID(text string) bool {
	return len(text) == nodeIDLength && strings.Trim(text, "0123456789abcdef") == ""
}

// cutNumber reads a number of 8 bytes.
func cutNumber(b []byte) (n uint64, rest []byte, err error) {
	if len(b) < 8 {
		return 0, nil, errControl
	}
	return binary.BigEndian.Uint64(b), b[8:], nil
}

// appendTopic and cutTopic write and read a text of less than 256 bytes.
func appendTopic(b []byte, topic string) []byte {
	return append(append(b, byte(len(topic))), topic...)
}

func cutTopic(b []byte) (topic string, rest []byte, err error) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return "", nil, errControl
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], nil
}
