package redislink

// Command is a command nobody waits for.
type Command struct {
	// Args are the command's name and arguments: strings, []byte, numbers, or pointers to strings and int64. The link takes
	// them over. In a Redis Cluster the command goes to the node of its key: the first argument, or the first key of EVAL
	// and its kin.
	Args []any
	// Size is what it counts for in the queue, in bytes; 0: a guess from Args.
	Size int
	// Done is given the reply, or why there is none: [ErrAway] where it cannot be known whether Redis has done it. It is
	// called exactly once where Enqueue returned true, on the writer's goroutine, and must not block. It may be nil.
	Done func(reply any, err error)
	// Only, where it is not 0, is one more than [Link.Downs]: the command is not written any more where the link has gone away since,
	// and Done is given [ErrAway].
	Only uint64
}

// PublishCounted is Publish, or SPublish where sharded, together with a question that Redis answers right before: how many
// connections are subscribed to each of channels, as [Link.NumSubs] has it. done is given the numbers, nil where Redis does not
// tell them, or why the message was not published: [ErrAway] where that cannot be known. It is called exactly once where
// PublishCounted returned true, on the writer's goroutine, and must not block.
func (l *Link) PublishCounted(sharded bool, channel string, payload []byte, channels []string, done func(subscribers []int64, err error)) bool {
	i := item{channel: channel, payload: payload, count: channels, counted: done, size: itemBytes + len(channel) + len(payload)}
	if sharded {
		i.verb = spublish
	}
	for _, name := range channels {
		i.size += len(name)
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
	return l.queue.put(item{verb: command, args: c.Args, done: c.Done, size: size})
}

// EnqueueCounted is Enqueue together with the question of [Link.PublishCounted]. done is given the command's reply as well.
func (l *Link) EnqueueCounted(c Command, channels []string, counted func(subscribers []int64, err error)) bool {
	size := itemBytes + argBytes(c.Args)
	return l.queue.put(item{verb: command, args: c.Args, done: c.Done, count: channels, counted: counted, only: c.Only, size: size})
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
