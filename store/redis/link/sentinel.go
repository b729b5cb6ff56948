package link

import (
	"context"
	"errors"
	"fmt"
	"net"

	goredis "github.com/redis/go-redis/v9"
)

// errFailover says that the Sentinels have made another Redis the master.
var errFailover = errors.New("the Sentinels have made another Redis the master")

// newSentinels makes a client for each Sentinel of the URL. None connects before it is asked.
func (t *topology) newSentinels() []*goredis.SentinelClient {
	clients := make([]*goredis.SentinelClient, len(t.address.hosts))
	for i, host := range t.address.hosts {
		o := t.options(host)
		o.Username, o.Password, o.DB = t.address.sentinelUser, t.address.sentinelPassword, 0
		o.PoolSize = 2
		clients[i] = goredis.NewSentinelClient(o)
	}
	return clients
}

// askSentinels returns the address of the master: what the first Sentinel says that answers.
func (t *topology) askSentinels(ctx context.Context) (string, error) {
	var errs []error
	for i, s := range t.asking {
		reply, err := s.GetMasterAddrByName(ctx, t.address.master).Result()
		switch {
		case errors.Is(err, goredis.Nil):
			err = fmt.Errorf("the Sentinel at %s knows no master %q", t.address.hosts[i], t.address.master)
		case err == nil && len(reply) == 2:
			return net.JoinHostPort(reply[0], reply[1]), nil
		case err == nil:
			err = fmt.Errorf("the Sentinel at %s gives an address of %d parts", t.address.hosts[i], len(reply))
		default:
			err = fmt.Errorf("the Sentinel at %s: %s", t.address.hosts[i], explain(err))
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// checkMaster returns an error where the Sentinels say that the master is another than addr. A master that the network has cut off from
// the others goes on as if nothing had happened until they can tell it. Sentinels that do not answer say nothing.
func (t *topology) checkMaster(addr string) error {
	ctx, cancel := context.WithTimeout(t.ctx, t.timeout)
	defer cancel()
	if master, err := t.askSentinels(ctx); err == nil && master != addr {
		return errFailover
	}
	return nil
}
