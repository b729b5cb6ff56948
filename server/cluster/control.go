package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"
)

// What signalbox nodes say to each other beside messages. A control message is one letter, the id of the node that
// sends it, and a body. Those for all go over one channel, those for one node over that node's own.
const (
	controlHere   = 'L' // I am there; NODE_URL, where there is one, and to one that has come behind a line feed my settings
	controlMeet   = 'M' // I have come, or come back: who else is there? NODE_URL and settings as well
	controlBye    = 'Q'
	controlTell   = 'T' // topic, body
	controlAsk    = 'A' // id, topic, body
	controlAnswer = 'Y' // id, body
	controlRefuse = 'N' // id: there will be no answer
	controlCount  = 'C' // id, count, and how many are away where some are

	// older are what versions before these say: they tell each other what they want, and beat.
	older = "HSDKBR"
)

// nodeIDLength is the length of a node's id: hex digits.
const nodeIDLength = 16

var errControl = errors.New("control message that cannot be read")

// appendControl begins a control message.
func (c *Cluster) appendControl(kind byte) []byte {
	return append(append(make([]byte, 0, 64), kind), c.id...)
}

func (c *Cluster) inboxOf(node string) string { return c.everyone + node + "#" }

// tellAll and tellOne publish a control message, and report whether they could.
func (c *Cluster) tellAll(b []byte) bool              { return c.say(c.everyone, b) }
func (c *Cluster) tellOne(node string, b []byte) bool { return c.say(c.inboxOf(node), b) }

func (c *Cluster) say(channel string, b []byte) bool {
	c.outbound.RLock()
	defer c.outbound.RUnlock()
	return !c.closed && c.publish(false, channel, b)
}

// publish publishes something that is waited for, or that others go by, and reports whether it could. Where the link
// is only about to notice that Redis has gone it does not: those who wait were told already.
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

// control handles one control message. It runs on the goroutine that receives.
func (c *Cluster) control(payload []byte) error {
	if len(payload) < 1+nodeIDLength {
		return errControl
	}
	node, body := string(payload[1:1+nodeIDLength]), payload[1+nodeIDLength:]
	now := time.Now()
	switch {
	case node == c.id:
		return c.takeEcho(payload[0], body)
	case !isNodeID(node):
		return errControl
	case strings.IndexByte(older, payload[0]) >= 0:
		c.members.hearOlder(node, now)
		return nil
	}
	switch payload[0] {
	case controlHere:
		url, settings, _ := bytes.Cut(body, []byte("\n"))
		c.members.hear(node, url, now)
		c.compare(node, string(settings))
		return nil
	case controlMeet:
		url, settings, _ := bytes.Cut(body, []byte("\n"))
		c.members.hear(node, url, now)
		c.tellOne(node, c.introduction(controlHere))
		c.compare(node, string(settings))
		return nil
	case controlBye:
		c.members.forget(node)
		c.compared.Delete(node)
		return nil
	case controlTell:
		return c.takeTell(body)
	case controlAsk:
		return c.takeAsk(node, body)
	case controlAnswer:
		id, answer, err := cutNumber(body)
		if err == nil {
			c.questions.answer(id, answer)
		}
		return err
	case controlRefuse:
		id, _, err := cutNumber(body)
		if err == nil {
			c.questions.refuse(id, false)
		}
		return err
	case controlCount:
		id, rest, err := cutNumber(body)
		if err != nil {
			return err
		}
		if _, _, err = cutNumber(rest); err == nil {
			c.questions.answer(id, rest)
		}
		return err
	default:
		return nil // of a later version
	}
}

// introduction says who this node is.
func (c *Cluster) introduction(kind byte) []byte {
	return append(append(append(c.appendControl(kind), c.url...), '\n'), c.settings...)
}

// compare logs, once for each node, what it has other than this one. Beats, and versions before this one, say nothing.
func (c *Cluster) compare(node, settings string) {
	if settings == "" || settings == c.settings {
		return
	}
	if _, before := c.compared.LoadOrStore(node, true); before {
		return
	}
	there, here := strings.Split(settings, "\n"), strings.Split(c.settings, "\n")
	differ := func(a, b []string) string {
		return strings.Join(slices.DeleteFunc(a, func(line string) bool { return slices.Contains(b, line) }), ", ")
	}
	c.log.Warn("another server of the cluster is not set up like this one", "server", node,
		"there", differ(slices.Clone(there), here), "here", differ(slices.Clone(here), there))
}

// takeEcho handles what this node has said itself: it is among those that its questions reach, and has nothing to
// answer.
func (c *Cluster) takeEcho(kind byte, body []byte) error {
	if kind != controlAsk {
		return nil
	}
	id, _, err := cutNumber(body)
	if err == nil {
		c.questions.refuse(id, true)
	}
	return err
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
