package redislink

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxMoves is how often one command follows a slot that moves.
	maxMoves = 6
	// movePause is the time between two looks for a slot, once the first was in vain: nodes agree on it within milliseconds.
	movePause = 20 * time.Millisecond
)

// clusterMap knows which node of a Redis Cluster has which slot. Its methods may be called from any goroutine.
type clusterMap struct {
	topology *topology

	// mu guards the following.
	mu      sync.Mutex
	owners  []string // by slot; nil: nobody was asked yet
	masters []string
	named   []string // the nodes that the last map named
}

// request is a command on its way to the node of its slot; -1: to any.
type request interface {
	slot() int
	appendTo(b []byte) []byte
}

// arguments make a request.
type arguments []any

func (a arguments) slot() int                { return commandSlot(a) }
func (a arguments) appendTo(b []byte) []byte { return appendCommand(b, a...) }

func (m *clusterMap) ask(ctx context.Context, cmds [][]any) ([]any, error) {
	requests := make([]request, len(cmds))
	for i := range cmds {
		requests[i] = arguments(cmds[i])
	}
	return m.carry(ctx, requests)
}

// part is what goes to one node.
type part struct {
	node   string
	asking bool  // the slot is on its way there: each command needs leave
	of     []int // the requests
}

// carry has requests carried out, those for one node in their order, all nodes at once, and returns the replies. What a node
// has given away to another meanwhile is sent to that one.
func (m *clusterMap) carry(ctx context.Context, requests []request) ([]any, error) {
	replies := make([]any, len(requests))
	parts, err := m.split(ctx, requests)
	for moves := 0; err == nil; moves++ {
		if err = m.send(ctx, parts, requests, replies); err != nil {
			break
		}
		if parts = m.moved(parts, replies); len(parts) == 0 || moves == maxMoves {
			return replies, nil
		}
		if moves > 0 {
			select {
			case <-time.After(movePause):
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
	}
	return nil, err
}

// split puts requests together by node.
func (m *clusterMap) split(ctx context.Context, requests []request) ([]part, error) {
	var parts []part
	for i, r := range requests {
		node, err := m.owner(ctx, r.slot())
		if err != nil {
			return nil, err
		}
		parts = addTo(parts, node, false, i)
	}
	return parts, nil
}

func addTo(parts []part, node string, asking bool, i int) []part {
	for k := range parts {
		if parts[k].node == node && parts[k].asking == asking {
			parts[k].of = append(parts[k].of, i)
			return parts
		}
	}
	return append(parts, part{node, asking, []int{i}})
}

// send asks all parts at once and waits for all.
func (m *clusterMap) send(ctx context.Context, parts []part, requests []request, replies []any) error {
	return m.all(len(parts), func(k int) error {
		p, each := parts[k], 1
		if p.asking {
			each = 2
		}
		got, err := m.topology.asker(p.node).ask(ctx, each*len(p.of), func(b []byte) []byte {
			for _, i := range p.of {
				if p.asking {
					b = appendCommand(b, "asking")
				}
				b = requests[i].appendTo(b)
			}
			return b
		})
		for k := each - 1; k < len(got) && err == nil; k += each {
			replies[p.of[k/each]] = got[k]
		}
		return err
	})
}

// moved returns what has to be asked of another node, and notes which.
func (m *clusterMap) moved(parts []part, replies []any) []part {
	var again []part
	for _, p := range parts {
		for _, i := range p.of {
			err := errorOf(replies[i])
			if !isMoved(err) {
				continue
			}
			node, asking := p.node, p.asking // to try again
			if to, ok := m.learn(err, p.node); ok {
				node, asking = to, HasPrefix(err, "ASK")
			}
			again = addTo(again, node, asking, i)
		}
	}
	return again
}

// learn takes what an error says of where a slot is: "MOVED 3999 host:port". from is who has said it.
func (m *clusterMap) learn(err error, from string) (node string, ok bool) {
	fields := strings.Fields(err.Error())
	if len(fields) != 3 {
		return "", false
	}
	slot, fault := strconv.Atoi(fields[1])
	host, port, other := net.SplitHostPort(fields[2])
	if fault != nil || other != nil || slot < 0 || slot >= slots {
		return "", false
	}
	if host == "" {
		host = hostOf(from)
	}
	node = net.JoinHostPort(host, port)
	m.mu.Lock()
	defer m.mu.Unlock()
	if fields[0] == "MOVED" && m.owners != nil {
		m.owners[slot] = node
	}
	return node, true
}

// owner returns the node that has a slot; any master for -1.
func (m *clusterMap) owner(ctx context.Context, slot int) (string, error) {
	m.mu.Lock()
	known := m.owners != nil
	m.mu.Unlock()
	if !known {
		if err := m.reload(ctx); err != nil {
			return "", err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slot < 0 {
		return m.masters[rand.IntN(len(m.masters))], nil
	}
	if m.owners[slot] == "" {
		return "", errNoOwner
	}
	return m.owners[slot], nil
}

// anyMaster returns one of the masters, by chance: so the nodes of signalbox spread over them.
func (m *clusterMap) anyMaster(ctx context.Context) (string, error) {
	if err := m.reload(ctx); err != nil {
		return "", err
	}
	return m.owner(ctx, -1)
}

// reload asks the nodes, in no order, until one tells who has which slot.
func (m *clusterMap) reload(ctx context.Context) error {
	m.mu.Lock()
	hosts := slices.Clone(m.masters)
	m.mu.Unlock()
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	for _, host := range m.topology.address.hosts {
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	var errs []error
	for _, host := range hosts {
		err := m.reloadFrom(ctx, host)
		if err == nil || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (m *clusterMap) reloadFrom(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, m.topology.timeout)
	defer cancel()
	replies, err := m.topology.asker(host).ask(ctx, 1, func(b []byte) []byte { return appendCommand(b, "cluster", "slots") })
	if err == nil {
		err = errorOf(replies[0])
	}
	if err != nil {
		return err
	}
	owners, masters, nodes, err := readSlots(replies[0], hostOf(host))
	if err != nil {
		return err
	}
	nodes = m.note(owners, masters, nodes)
	m.topology.nodes.Store(&nodes)
	m.topology.keep(nodes)
	return nil
}

// note takes a new map over and returns the nodes that there are. One that two maps in a row do not name is gone: while
// master and replica change places, one map may leave either out.
func (m *clusterMap) note(owners, masters, named []string) (nodes []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	nodes = slices.Clone(named)
	for _, node := range m.named {
		if !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	m.owners, m.masters, m.named = owners, masters, named
	return nodes
}

// readSlots reads the reply to CLUSTER SLOTS: of each range of slots the first and the last, and the nodes that have it, the
// master first, of each the host, nothing for the one that was asked, and the port.
func readSlots(reply any, asked string) (owners, masters, nodes []string, err error) {
	ranges, _ := reply.([]any)
	owners = make([]string, slots)
	for _, r := range ranges {
		fields, _ := r.([]any)
		if len(fields) < 3 {
			return nil, nil, nil, errProtocol
		}
		first, isFirst := fields[0].(int64)
		last, isLast := fields[1].(int64)
		if !isFirst || !isLast || first < 0 || last >= slots {
			return nil, nil, nil, errProtocol
		}
		for i, f := range fields[2:] {
			about, _ := f.([]any)
			if len(about) < 2 {
				return nil, nil, nil, errProtocol
			}
			host, _ := about[0].(string)
			port, _ := about[1].(int64)
			if host == "" || host == "?" {
				host = asked
			}
			node := net.JoinHostPort(host, strconv.FormatInt(port, 10))
			if !slices.Contains(nodes, node) {
				nodes = append(nodes, node)
			}
			if i > 0 {
				continue
			}
			if !slices.Contains(masters, node) {
				masters = append(masters, node)
			}
			for slot := first; slot <= last; slot++ {
				owners[slot] = node
			}
		}
	}
	if len(masters) == 0 {
		return nil, nil, nil, errNoOwner
	}
	return owners, masters, nodes, nil
}

// check reads the map anew and asks every master whether it is there: what is queued may be for any of them.
func (m *clusterMap) check(ctx context.Context) error {
	if err := m.reload(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	masters := m.masters
	m.mu.Unlock()
	return m.all(len(masters), func(i int) error {
		replies, err := m.topology.asker(masters[i]).ask(ctx, 1, func(b []byte) []byte { return appendCommand(b, "ping") })
		if err == nil {
			err = errorOf(replies[0])
		}
		return err
	})
}

// numSubs sums over all nodes: other programs may subscribe at replicas. A master that does not answer is an error; a
// replica that does not has no subscribers to speak of.
func (m *clusterMap) numSubs(ctx context.Context, sharded bool, channels []string) ([]int64, error) {
	if _, err := m.owner(ctx, -1); err != nil {
		return nil, err
	}
	m.mu.Lock()
	masters := m.masters
	m.mu.Unlock()
	nodes := *m.topology.nodes.Load()
	sums := make([]int64, len(channels))
	var adding sync.Mutex
	err := m.all(len(nodes), func(i int) error {
		replies, err := m.topology.asker(nodes[i]).ask(ctx, 1, func(b []byte) []byte {
			return appendCommand(b, numSubCommand(sharded, channels)...)
		})
		if err == nil {
			adding.Lock()
			defer adding.Unlock()
			err = addNumSub(sums, replies[0])
		}
		if err != nil && !slices.Contains(masters, nodes[i]) {
			return nil
		}
		return err
	})
	return sums, err
}

// all does n things at once and waits for all.
func (m *clusterMap) all(n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	errs := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { errs[i] = do(i) })
	}
	running.Wait()
	return errors.Join(errs...)
}
