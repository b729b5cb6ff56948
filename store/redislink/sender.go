package redislink

import (
	"context"
)

// sender writes for the writer. It is used by the writer's goroutine alone.
type sender interface {
	// check asks whether Redis is there and is one to write to.
	check() error
	// send carries items out in order and gives each its answer. It returns an error where the connection is of no use any
	// more.
	send(items []*item) error
	close()
}

// openSender makes what the writer writes with.
func (t *topology) openSender(ctx context.Context) (sender, error) {
	c, err := t.open(ctx, "")
	if err != nil {
		return nil, err
	}
	single := &singleSender{conn: c, topology: t}
	var s sender = single
	if t.cluster != nil {
		s = &clusterSender{plain: single, cluster: t.cluster}
	}
	if err := s.check(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// singleSender writes to one Redis over one connection, in the order of the queue.
type singleSender struct {
	conn     *conn
	topology *topology
	roleless bool // may not ask for the role
}

// check asks for the role too, as the guide for clients of Sentinels wants it after each connection, since a master may
// have become a replica, on which what is published reaches nobody:
// https://redis.io/docs/latest/develop/reference/sentinel-clients/ Where that may not be asked, a PING has to do.
func (s *singleSender) check() error {
	cmds := [][]any{{"ping"}, {"role"}}
	if s.roleless {
		cmds = cmds[:1]
	}
	replies, err := s.conn.ask(s.topology.silence, cmds...)
	if err != nil {
		return err
	}
	if err := errorOf(replies[0]); err != nil { // LOADING, say, which keeps nobody from telling its role
		return err
	}
	if !s.roleless {
		role, may := replies[1].([]any)
		s.roleless = !may
		if len(role) > 0 && role[0] == "slave" {
			return errReplica
		}
	}
	return s.topology.check(s.conn.addr)
}

func (s *singleSender) send(items []*item) error {
	b := s.conn.out[:0]
	for _, it := range items {
		if it.asksFirst() {
			b = appendCommand(b, numSubCommand(it.verb == spublish, it.count)...)
		}
		b = it.appendTo(b)
	}
	if err := s.conn.write(s.topology.silence, b); err != nil {
		return err
	}
	for _, it := range items {
		if it.asksFirst() {
			reply, err := s.conn.value()
			if err != nil {
				return err
			}
			it.answeredFirst(reply)
		}
		reply, err := s.conn.value()
		if err != nil {
			return err
		}
		it.answered(reply)
	}
	return s.conn.drained()
}

func (s *singleSender) close() { s.conn.close() }

// clusterSender writes to a Redis Cluster. What is published plainly goes to one node over one connection, and the
// cluster takes it to the others, each in that order. Everything else goes to the node it belongs to; as each batch is
// answered before the next one begins, order holds for what one node has.
type clusterSender struct {
	plain   *singleSender
	cluster *clusterMap
}

func (s *clusterSender) context() (context.Context, context.CancelFunc) {
	t := s.cluster.topology
	return context.WithTimeout(t.ctx, t.silence+t.timeout) // to be answered, and to connect
}

// check asks every master, since what is queued may be for any of them. A replica publishes as well as its master does.
func (s *clusterSender) check() error {
	ctx, cancel := s.context()
	defer cancel()
	if err := s.cluster.check(ctx); err != nil {
		return err
	}
	if _, err := s.plain.conn.ask(s.cluster.topology.silence, []any{"ping"}); err != nil {
		return err
	}
	return s.cluster.topology.check(s.plain.conn.addr)
}

// send carries out the commands first, and when they are answered publishes.
func (s *clusterSender) send(items []*item) error {
	var commands, plain, sharded []*item
	for _, it := range items {
		switch it.verb {
		case command:
			commands = append(commands, it)
		case publish:
			plain = append(plain, it)
		default:
			sharded = append(sharded, it)
		}
	}
	if err := s.count(false, commands); err != nil {
		return err
	}
	if err := s.carry(commands); err != nil {
		return err
	}
	for kind, list := range [][]*item{plain, sharded} {
		if err := s.count(kind == 1, list); err != nil {
			return err
		}
	}
	if len(plain) > 0 {
		if err := s.plain.send(plain); err != nil {
			return err
		}
	}
	return s.carry(sharded)
}

// count asks all nodes for the subscribers that items want to know, in one question for all of them.
func (s *clusterSender) count(sharded bool, items []*item) error {
	var channels []string
	for _, it := range items {
		channels = append(channels, it.count...)
	}
	if len(channels) == 0 {
		return nil
	}
	ctx, cancel := s.context()
	defer cancel()
	n, err := s.cluster.numSubs(ctx, sharded, channels)
	for _, it := range items {
		if k := len(it.count); err == nil {
			it.subscribers, n = n[:k:k], n[k:]
		}
		it.count = nil
	}
	if isReply(err) { // it may not be asked
		return nil
	}
	return err
}

func (s *clusterSender) carry(items []*item) error {
	if len(items) == 0 {
		return nil
	}
	requests := make([]request, len(items))
	for i, it := range items {
		requests[i] = it
	}
	ctx, cancel := s.context()
	defer cancel()
	replies, err := s.cluster.carry(ctx, requests)
	if err != nil {
		return err
	}
	for i, it := range items {
		it.answered(replies[i])
	}
	return nil
}

func (s *clusterSender) close() { s.plain.close() }
