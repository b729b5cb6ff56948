package redislink

import (
	"strconv"
)

// push is one thing that Redis has sent to a subscriber.
type push struct {
	verb    string  // message, smessage, pmessage, pong, or that of a command that subscribes or unsubscribes
	message Message // of the first three
	name    string  // otherwise: the channel or pattern that the answer is for
}

// pushReader reads what Redis sends to a subscriber. What is alike in two messages after each other costs no memory: on a
// large cluster every node is sent every message.
//
// Rule: [Redis Pub/Sub].
//
// [Redis Pub/Sub]: https://redis.io/docs/latest/develop/pubsub/
type pushReader struct {
	reader
	verb, channel, pattern string // the last
}

// receive waits for what Redis sends next. After an error that is no reply of Redis nothing can be received any more.
func (r *pushReader) receive() (push, error) {
	head, err := r.line()
	if err != nil {
		return push{}, err
	}
	switch head[0] {
	case '-':
		return push{}, Error(head[1:])
	case '+': // to a PING before the first subscription
		return push{verb: "pong"}, nil
	case '*':
	default:
		return push{}, errProtocol
	}
	n, err := strconv.Atoi(view(head[1:]))
	if err != nil || n < 2 || n > 4 {
		return push{}, errProtocol
	}
	verb, err := r.again(&r.verb)
	if err != nil {
		return push{}, err
	}
	p := push{verb: verb}
	switch {
	case verb == "pong" && n == 2:
		_, err = r.again(&p.name)
	case verb == "pmessage" && n == 4:
		if p.message.Pattern, err = r.again(&r.pattern); err == nil {
			err = r.message(&p.message)
		}
	case (verb == "message" || verb == "smessage") && n == 3:
		p.message.Sharded = verb == "smessage"
		err = r.message(&p.message)
	case isConfirmation(verb) && n == 3:
		if _, err = r.again(&p.name); err == nil {
			_, err = r.again(new(string)) // how many there are
		}
	default:
		err = errProtocol
	}
	return p, err
}

// message reads a channel and a payload.
func (r *pushReader) message(m *Message) (err error) {
	if m.Channel, err = r.again(&r.channel); err != nil {
		return err
	}
	head, err := r.line()
	if err != nil {
		return err
	}
	n, err := bulkLength(head)
	if err == nil {
		m.Payload, err = r.bulk(n)
	}
	return err
}

func isConfirmation(verb string) bool {
	for _, pair := range verbs {
		if verb == pair[0] || verb == pair[1] {
			return true
		}
	}
	return false
}
