package cluster

import (
	"context"
	"encoding/binary"
	"time"

	"signalbox/server/hub"
)

const (
	// askTimeout is how long other nodes have for an answer.
	askTimeout = time.Second
	// maxAnswering bounds the questions that are being answered at once; what comes beyond is not answered.
	maxAnswering = 256
)

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
	if !c.link.Up() {
		return
	}
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
	if len(nodes) == 0 && !c.strangers(ctx) {
		return nil, all
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
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
	return answers, all && complete && len(nodes) > 0
}

// strangers reports whether there are nodes that this one has not heard of yet: it has just come, or they have. It waits
// for them to say who they are, for a moment.
func (c *Cluster) strangers(ctx context.Context) bool {
	n, err := c.link.NumSub(ctx, false, c.everyone)
	return err == nil && n > 1+int64(c.members.known.Load())
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
	if call == nil {
		return nil // a later version asks; it learns that this node does not answer
	}
	c.inBackground(func() {
		ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
		defer cancel()
		answer := call(ctx, rest)
		b := binary.BigEndian.AppendUint64(c.appendControl(controlAnswer), id)
		c.tellOne(node, append(b, answer...))
	})
	return nil
}

// suspect has a node that did not answer not waited for any more until it is heard of.
func (c *Cluster) suspect(node string) {
	c.members.suspectNode(node)
	c.interest.gone(node)
	c.questions.gone(node)
	c.counts.gone(node)
}

// inBackground runs f on a goroutine that Stop waits for, and reports whether it does: beyond maxAnswering of them nothing is
// run, which is counted.
func (c *Cluster) inBackground(f func()) bool {
	select {
	case c.answering <- struct{}{}:
	default:
		c.stats.overloads.Add(1)
		return false
	}
	c.background.Go(func() {
		defer func() { <-c.answering }()
		f()
	})
	return true
}

// inOrder runs f behind what was given to it before, on one goroutine. Where too much waits nothing is run, which is counted.
func (c *Cluster) inOrder(f func()) {
	select {
	case c.tasks <- f:
	default:
		c.stats.overloads.Add(1)
	}
}
