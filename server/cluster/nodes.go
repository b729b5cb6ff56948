package cluster

import (
	"context"
	"encoding/binary"

	"signalbox/server/hub"
)

var _ hub.Nodes = (*Cluster)(nil)

// Up implements [hub.Nodes]: Redis is there, and so is every node that this one knows of, as it was looked at last.
func (c *Cluster) Up() bool {
	return c.ctx.Err() == nil && c.link.Up() && c.members.all() && !c.rooms.late()
}

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
	if c.stream != nil { // in order with messages
		c.stream.put(&streamed{kind: streamTell, data: append(appendTopic(nil, topic), body...)})
		return
	}
	c.tellAll(append(appendTopic(c.appendControl(controlTell), topic), body...))
}

// TellNode implements [hub.Nodes].
func (c *Cluster) TellNode(node, topic string, body []byte) {
	c.tellOne(node, append(appendTopic(c.appendControl(controlTell), topic), body...))
}

// ID implements [hub.Nodes].
func (c *Cluster) ID() string { return c.id }

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
	ended := make(chan struct{})
	id := c.questions.ask(c.patience(), func(answer []byte) { answers = append(answers, answer) }, func(all bool) {
		complete = all
		close(ended)
	})
	stop := context.AfterFunc(ctx, func() { c.questions.fail(id) })
	defer stop()
	b := binary.BigEndian.AppendUint64(c.appendControl(controlAsk), id)
	b = append(appendTopic(b, topic), body...)
	c.outbound.RLock()
	asked := !c.closed && c.link.PublishCounted(false, c.everyone, b, []string{c.everyone}, func(n []int64, err error) {
		if err != nil || len(n) == 0 {
			c.questions.fail(id)
			return
		}
		c.questions.expect(id, int(n[0]), c.members.all())
	})
	c.outbound.RUnlock()
	if !asked {
		c.questions.fail(id)
	}
	<-ended
	return answers, complete
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
		ctx, cancel := context.WithTimeout(c.ctx, answerTimeout)
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
