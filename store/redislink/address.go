package redislink

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// kind is what stands at an address.
type kind uint8

const (
	single   kind = iota // one Redis
	sentinel             // one behind Sentinels, which say where it is
	cluster              // a Redis Cluster
)

// schemes are the beginnings a URL may have.
var schemes = map[string]struct {
	kind kind
	tls  bool
}{
	"redis": {single, false}, "rediss": {single, true},
	"redis+sentinel": {sentinel, false}, "rediss+sentinel": {sentinel, true},
	"redis+cluster": {cluster, false}, "rediss+cluster": {cluster, true},
}

// address is what a URL says.
type address struct {
	kind   kind
	tls    bool
	hosts  []string // host:port; of the Sentinels, or of any nodes of the cluster
	master string   // what the Sentinels call it
	db     int

	user, password                 string
	sentinelUser, sentinelPassword string
}

const urlForm = "write redis://user:password@host:port/db, rediss:// for TLS, " +
	"redis+sentinel://user:password@host:port,host:port/master-name/db or redis+cluster://user:password@host:port,host:port"

// parseAddress reads a URL. It goes without net/url, which takes no list of hosts, and puts the whole text with its password
// into errors.
func parseAddress(text string) (address, error) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(text), "://")
	s, known := schemes[strings.ToLower(scheme)]
	if !ok || !known {
		return address{}, errors.New("the URL does not begin with the scheme of a Redis: " + urlForm)
	}
	a := address{kind: s.kind, tls: s.tls}
	if strings.Contains(rest, "#") {
		return address{}, errors.New("the URL has a #: in a user or password write it as %23")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if strings.Contains(path, "@") {
		return address{}, errors.New("the URL has an @ behind a /: in a user or password write / as %2F and @ as %40")
	}
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		if err := a.takeUser(authority[:at]); err != nil {
			return address{}, err
		}
		authority = authority[at+1:]
	}
	return a, errors.Join(a.takeHosts(authority), a.takePath(path), a.takeQuery(query))
}

// takeUser reads user:password, :password or, as many hosts give it, password alone behind a made-up user.
func (a *address) takeUser(text string) error {
	user, password, _ := strings.Cut(text, ":")
	var errs [2]error
	a.user, errs[0] = url.PathUnescape(user)
	a.password, errs[1] = url.PathUnescape(password)
	if errs[0] != nil || errs[1] != nil {
		return errors.New("the user or password in the URL has a % that is no escape: write % as %25")
	}
	return nil
}

func (a *address) takeHosts(text string) error {
	port := "6379"
	if a.kind == sentinel {
		port = "26379"
	}
	for host := range strings.SplitSeq(text, ",") {
		host, err := withPort(strings.TrimSpace(host), port)
		if err != nil {
			return err
		}
		a.hosts = append(a.hosts, host)
	}
	if a.kind == single && len(a.hosts) > 1 {
		return errors.New("the URL has several hosts: begin it with redis+sentinel:// or redis+cluster://")
	}
	return nil
}

// withPort gives host the port it has, or else the usual one.
func withPort(text, port string) (string, error) {
	host := text
	if h, p, err := net.SplitHostPort(text); err == nil {
		host, port = h, p
	} else if strings.Contains(text, ":") && !strings.HasSuffix(text, "]") {
		return "", fmt.Errorf("%q in the URL is no host:port: write an IPv6 address in brackets", text)
	}
	host = strings.Trim(host, "[]")
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q in the URL is no port: in a user or password write : as %%3A and @ as %%40", port)
	}
	if host == "" {
		return "", errors.New("the URL has no host: " + urlForm)
	}
	return net.JoinHostPort(host, port), nil
}

// takePath reads /db, or /master/db for Sentinels. A Redis Cluster has no databases but the first.
func (a *address) takePath(path string) error {
	path = strings.TrimSuffix(path, "/")
	db := path
	if a.kind == sentinel {
		var err error
		a.master, db, _ = strings.Cut(path, "/")
		if a.master, err = url.PathUnescape(a.master); err != nil || a.master == "" {
			return errors.New("the URL does not say what the Sentinels call the Redis: write redis+sentinel://host:port/master-name")
		}
	}
	if db == "" {
		return nil
	}
	n, err := strconv.Atoi(db)
	if err != nil || n < 0 {
		return fmt.Errorf("%q in the URL is no number of a database", db)
	}
	if a.kind == cluster && n != 0 {
		return errors.New("a Redis Cluster has no database but 0: leave the number out of the URL")
	}
	a.db = n
	return nil
}

// takeQuery reads what Sentinels are told that have users of their own; there is nothing else to set.
func (a *address) takeQuery(text string) error {
	if text == "" {
		return nil
	}
	query, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("what follows the ? in the URL cannot be read: write sentinel_username=name&sentinel_password=word")
	}
	for key, values := range query {
		switch {
		case a.kind == sentinel && key == "sentinel_username":
			a.sentinelUser = values[0]
		case a.kind == sentinel && key == "sentinel_password":
			a.sentinelPassword = values[0]
		default:
			return fmt.Errorf("%q in the URL is no setting: there are sentinel_username and sentinel_password, for redis+sentinel://", key)
		}
	}
	return nil
}
