package redislink

import (
	"strings"
	"testing"

	"signalbox/store/redis/redistest"
)

// away opens a link that cannot reach Redis, and returns what it says of it.
func away(t *testing.T, o Options) string {
	t.Helper()
	var j journal
	o.Log = j.log()
	l, _ := open(t, o)
	eventually(t, "the log says why Redis is away", func() bool { return strings.Contains(j.String(), "redis away") })
	if l.Up() {
		t.Error("the link is up")
	}
	return j.String()
}

func TestTLS(t *testing.T) {
	s, roots := redistest.StartTLS(t, []string{"localhost"})
	port := s.Addr()[strings.LastIndex(s.Addr(), ":"):]
	t.Run("trusted", func(t *testing.T) {
		_, states := open(t, Options{URL: "rediss://localhost" + port, roots: roots})
		awaitState(t, states, true)
	})
	t.Run("an authority nobody knows", func(t *testing.T) {
		if log := away(t, Options{URL: "rediss://localhost" + port}); !strings.Contains(log, "the certificate of Redis is not trusted") {
			t.Errorf("log: %s", log)
		}
	})
	t.Run("a certificate for another host", func(t *testing.T) {
		if log := away(t, Options{URL: "rediss://127.0.0.1" + port, roots: roots}); !strings.Contains(log, "the certificate of Redis is not trusted") {
			t.Errorf("log: %s", log)
		}
	})
	t.Run("any certificate", func(t *testing.T) {
		_, states := open(t, Options{URL: "rediss://127.0.0.1" + port, InsecureTLS: true})
		awaitState(t, states, true)
	})
	t.Run("without TLS", func(t *testing.T) {
		if log := away(t, Options{URL: "redis://127.0.0.1" + port}); !strings.Contains(log, "rediss://") {
			t.Errorf("log: %s", log)
		}
	})
	t.Run("TLS where there is none", func(t *testing.T) {
		plain := redistest.Start(t)
		if log := away(t, Options{URL: "rediss://" + plain.Addr(), InsecureTLS: true}); !strings.Contains(log, "begins with redis://") {
			t.Errorf("log: %s", log)
		}
	})
	t.Run("a name of the URL stands for an IP address that was told", func(t *testing.T) {
		names := &trust{roots: roots, names: []string{"redis.example", "localhost"}}
		other := &trust{roots: roots, names: []string{"redis.example"}}
		for trust, want := range map[*trust]bool{names: true, other: false} {
			top := &topology{ctx: t.Context(), timeout: defaultTimeout, tls: trust}
			conn, err := top.dial(t.Context(), s.Addr())
			if (err == nil) != want {
				t.Errorf("dial with names %v = %v, want it to succeed: %v", trust.names, err, want)
			}
			if err == nil {
				_ = conn.Close()
			}
		}
	})
}

func TestPasswords(t *testing.T) {
	redistest.NeedReal(t)
	const secret = "s3cr3t@/:#?%"
	const escaped = "s3cr3t%40%2F%3A%23%3F%25"
	s := redistest.Start(t, "--requirepass", secret,
		"--user", "app", "on", ">app-word", "~*", "&app*", "+@all",
		"--user", "deaf", "on", ">deaf", "~*", "resetchannels", "+@all")
	t.Run("password", func(t *testing.T) {
		_, states := open(t, Options{URL: "redis://:" + escaped + "@" + s.Addr()})
		awaitState(t, states, true)
	})
	for name, c := range map[string]struct{ user, want string }{
		"wrong": {":wr0ng@", "does not take the user and password"},
		"none":  {"", "wants a password"},
	} {
		t.Run(name, func(t *testing.T) {
			log := away(t, Options{URL: "redis://" + c.user + s.Addr()})
			if !strings.Contains(log, c.want) || strings.Contains(log, "wr0ng") {
				t.Errorf("log: %s", log)
			}
		})
	}
	t.Run("a user with channels of its own", func(t *testing.T) {
		l, states := open(t, Options{URL: "redis://app:app-word@" + s.Addr()})
		in := newInbox()
		sub := l.Subscriber(in.take)
		awaitState(t, states, true)
		subscribe1(t, sub, Plain, "app1")
		l.Publish("app1", []byte("1"))
		in.await(t, 1)
	})
	t.Run("a user who may not subscribe", func(t *testing.T) {
		var j journal
		l, states := open(t, Options{URL: "redis://deaf:deaf@" + s.Addr(), Log: j.log()})
		sub := l.Subscriber(func(Message) {})
		awaitState(t, states, true)
		if err := sub.Subscribe(t.Context(), Plain, "app1"); err == nil {
			t.Error("Subscribe = nil")
		}
		awaitState(t, states, false)
		eventually(t, "the log says what the user may not do", func() bool { return strings.Contains(j.String(), "may not do what is needed") })
	})
}
