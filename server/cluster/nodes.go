package cluster

import (
	"context"
	"encoding/binary"
	"time"

	"signalbox/server/hub"
)

// askTimeout is how long other nodes have for an answer.
const askTimeout = time.Second

var _ hub.Nodes = (*Cluster)(nil)

// Up implements [hub.Nodes].
func (c *Cluster) Up() bool { return c.link.Up() }

// OnTell implements [hub.Nodes].
func (c *Cluster) OnTell(topic string, call func(body []byte)) {
	c.topicsMu.Lock()
	defer c.topicsMu.Unlock()
	c.tells[topic] = call
}

// OnAsk implements [hub.Nodes].
func (c *Cluster) OnAsk(topic string, call func(ctx context.Context, body []byte) []byte) {
	c.topicsMu.Lock()
	defer c.topicsMu.Unlock()
	c.asks[topic] = call
}

// Tell implements [hub.Nodes].
func (c *Cluster) Tell(topic string, body []byte) {
	c.tellAll(append(appendTopic(c.appendControl(controlTell), topic), body...))
}

func (c *Cluster) takeTell(body []byte) error {
	topic, rest, err := cutTopic(body)
	if err != nil {
		return err
	}
	c.topicsMu.RLock()
	call := c.tells[topic]
	c.topicsMu.RUnlock()
	if call != nil {
		call(rest)
	}
	return nil
}

// Ask implements [hub.Nodes].
func (c *Cluster) Ask(ctx context.Context, topic string, body []byte) (answers [][]byte, complete bool) {
	if !c.link.Up() {
		return nil, false
	}
	nodes, all := c.members.interested(nil)
	if len(nodes) == 0 {
		return nil, all && c.unmet.Load() == 0
	}
	ctx, cancel := c.within(ctx, askTimeout)
	defer cancel()
	q := c.questions.open(nodes)
	defer c.questions.close(q.id)
	b := binary.BigEndian.AppendUint64(c.appendControl(controlAsk), q.id)
	if !c.tellAll(append(appendTopic(b, topic), body...)) {
		return nil, false
	}
	select {
	case <-q.done:
	case <-ctx.Done():
	}
	answers, complete, late := q.result()
	for _, node := range late {
		c.suspect(node)
	}
	return answers, all && complete && c.unmet.Load() == 0
}

func (c *Cluster) takeAsk(node string, body []byte) error {
	id, rest, err := cutNumber(body)
	if err != nil {
		return err
	}
	topic, rest, err := cutTopic(rest)
	if err != nil {
		return err
	}
	c.topicsMu.RLock()
	call := c.asks[topic]
	c.topicsMu.RUnlock()
	refuse := func() { c.tellOne(node, binary.BigEndian.AppendUint64(c.appendControl(controlRefuse), id)) }
	if call == nil { // a later version asks
		refuse()
		return nil
	}
	started := c.inBackground(quick, func() {
		answered := false
		defer func() {
			if !answered { // it panicked
				refuse()
			}
		}()
		ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
		defer cancel()
		answer := call(ctx, rest)
		answered = true
		b := binary.BigEndian.AppendUint64(c.appendControl(controlAnswer), id)
		c.tellOne(node, append(b, answer...))
	})
	if !started {
		refuse()
	}
	return nil
}

// suspect has no answer of a node waited for that did not answer in time, until it is heard of.
func (c *Cluster) suspect(node string) {
	c.members.suspectNode(node)
	c.missing(node)
}
