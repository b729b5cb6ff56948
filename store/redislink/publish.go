package redislink

// Command is a command nobody waits for.
type Command struct {
	// Args are the command's name and arguments, as go-redis takes them: strings, numbers, []byte, ... The link takes
	// them over. In a Redis Cluster the command goes to the node of its key: the first argument, or the first key of EVAL
	// and its kin.
	Args []any
	// Size is what it counts for in the queue, in bytes; 0: a guess from Args.
	Size int
	// Done is given the reply, or why there is none: [ErrAway] where it cannot be known whether Redis has done it. It is
	// called exactly once where Enqueue returned true, on the writer's goroutine, and must not block. It may be nil.
	Done func(reply any, err error)
	// Gate decides whether it is written at all; nil: it is.
	Gate *Gate
}

// Gate drops commands that nobody would hear of. Right before commands that have it are written, Redis is asked how many
// subscribers Channels have, once for all the commands of a batch, and Decide is given the numbers. false drops the
// commands of this batch: they are not lost, and their Done is given [ErrNotWanted]. As the question is put after
// Enqueue, who subscribed before Enqueue counts.
type Gate struct {
	Channels []string
	Sharded  bool // Channels are those of SSUBSCRIBE
	// Decide is called on the writer's goroutine and must not block.
	Decide func(subscribers []int64) bool
}

// PublishGated is Publish, or SPublish where sharded, for a message that g may drop. done is as [Command.Done], without
// the reply; it may be nil.
func (l *Link) PublishGated(g *Gate, sharded bool, channel string, payload []byte, done func(reply any, err error)) bool {
	i := item{verb: publish, channel: channel, payload: payload, gate: g, done: done, size: itemBytes + len(channel) + len(payload)}
	if sharded {
		i.verb = spublish
	}
	return l.queue.put(i)
}

// Publish queues PUBLISH, and takes payload over: it must not be changed any more. All that is queued reaches Redis in
// the order of the calls. It never waits. false: the message is lost and counted, as Redis is away or the queue is full.
func (l *Link) Publish(channel string, payload []byte) bool {
	return l.queue.put(item{verb: publish, channel: channel, payload: payload, size: itemBytes + len(channel) + len(payload)})
}

// SPublish is Publish for a channel of SSUBSCRIBE. In a Redis Cluster, which has each such channel on one node, order
// holds for what is published on channels of one node.
func (l *Link) SPublish(channel string, payload []byte) bool {
	return l.queue.put(item{verb: spublish, channel: channel, payload: payload, size: itemBytes + len(channel) + len(payload)})
}

// Enqueue queues a command in order with what is published. In a Redis Cluster, whose nodes know no order among each
// other, all commands of a batch are carried out and answered before what is published in the same batch goes out; among
// commands, order holds for those of one node. It never waits. false: the command is lost and counted, and its Done is
// not called.
func (l *Link) Enqueue(c Command) bool {
	size := c.Size
	if size <= 0 {
		size = itemBytes + argBytes(c.Args)
	}
	return l.queue.put(item{verb: command, args: c.Args, done: c.Done, gate: c.Gate, size: size})
}

// argBytes guesses what the arguments take.
func argBytes(args []any) int {
	n := 0
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			n += len(arg)
		case []byte:
			n += len(arg)
		}
		n += 16
	}
	return n
}
