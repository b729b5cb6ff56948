package redislink

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options say where Redis is and how patient the link is with it. Only URL must be set.
type Options struct {
	// URL is one of
	//
	//	redis://[user:password@]host[:port][/db]
	//	redis+sentinel://[user:password@]host[:port],host[:port]/master-name[/db][?sentinel_username=...&sentinel_password=...]
	//	redis+cluster://[user:password@]host[:port],host[:port]
	//
	// with rediss in place of redis for TLS. User and password are percent-encoded; they are those of Redis, and Sentinels
	// are asked without any unless the query says otherwise. The hosts of a cluster are any of its nodes; the others are
	// asked of them.
	URL string
	// InsecureTLS takes any certificate, as Heroku's self-signed ones need it. It is an error without TLS. An authority
	// of one's own is better: on Unix the environment variable SSL_CERT_FILE names a file with those to trust.
	InsecureTLS bool
	// Log is told once when Redis goes away and once when it is back; default: nobody.
	Log *slog.Logger
	// QueueBytes is what may wait to be written, with what is being written; default 16 MiB.
	QueueBytes int
	// Beat is the time between two questions whether Redis is there, default 1 s. Silence is how long a connection may stand
	// and bring no answer, default 5 s: a slow script, a fork or a machine that was stopped for a moment is no reason to lose
	// what waits. So Redis is found to be away after the two together at the latest, and at once where a connection breaks.
	Beat, Silence time.Duration
	// Timeout is how long a caller of [Link.Do] waits, and how long it may take to connect; default 1 s.
	Timeout time.Duration

	roots *x509.CertPool // whom to trust, for tests; nil: whom the system trusts
}

const (
	defaultQueueBytes = 16 << 20
	defaultBeat       = time.Second
	defaultTimeout    = time.Second
	defaultSilence    = 5 * time.Second
)

// complete fills the defaults in and reads the URL.
func (o *Options) complete() (address, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = defaultQueueBytes
	}
	if o.Beat == 0 {
		o.Beat = defaultBeat
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Silence == 0 {
		o.Silence = defaultSilence
	}
	if o.QueueBytes < 0 || o.Beat < 0 || o.Timeout < 0 || o.Silence < 0 {
		return address{}, fmt.Errorf("redis link: a limit below zero: QueueBytes %d, Beat %v, Timeout %v, Silence %v",
			o.QueueBytes, o.Beat, o.Timeout, o.Silence)
	}
	a, err := parseAddress(o.URL)
	if err != nil {
		return address{}, fmt.Errorf("redis link: %w", err)
	}
	if o.InsecureTLS && !a.tls {
		return address{}, errors.New("redis link: there is no certificate to trust without TLS: begin the URL with rediss")
	}
	return a, nil
}
