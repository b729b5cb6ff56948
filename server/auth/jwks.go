package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"signalbox/config"
	"signalbox/internal/backoff"
)

const (
	// DefaultRefresh is how often the JWKS URL is read. A key that was taken back is refused after that time at most.
	DefaultRefresh = time.Hour
	// MinRefresh is the most often that may be configured.
	MinRefresh = time.Minute

	fetchTimeout  = 10 * time.Second
	maxJWKSBytes  = 512 << 10
	firstRetry    = time.Second
	slowestRetry  = time.Minute
	lookupTimeout = 5 * time.Second

	// Tokens with an unknown kid make us read the URL again, at first askBurst times as they come and then once per
	// askEvery. A new key is known after askEvery at the latest, however many forged tokens there are: each reading
	// brings all keys.
	askEvery = 30 * time.Second
	askBurst = 4
)

// CheckJWKSURL reports in words what is wrong with a JWKS URL: it must be absolute, https or http on a loopback
// address, and have neither a user nor a fragment.
func CheckJWKSURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return errors.New("the JWKS URL is no absolute URL, use one like https://id.example.com/.well-known/jwks.json")
	}
	switch {
	case u.User != nil:
		return errors.New("the JWKS URL holds a user name or password, leave it out: keys to verify with are public")
	case u.Fragment != "":
		return errors.New("the JWKS URL has a part behind #, leave it out")
	case u.Scheme == "https", u.Scheme == "http" && config.LoopbackHost(u.Host):
		return nil
	}
	return errors.New("the JWKS URL must be https (http only on a loopback address): who can change the keys on their" +
		" way can sign any token")
}

// keySet holds the keys of one JWKS URL and keeps them up to date. It is our own rather than the client that comes with
// keyfunc: that one blocks the start on its first request, makes a login wait up to a minute for its rate limit, follows
// redirects, reads answers of any size, and forgets every key over one it cannot read.
type keySet struct {
	// Static after construction.
	url     string
	client  *http.Client
	refresh time.Duration
	log     *slog.Logger
	limiter *rate.Limiter // for readings that tokens ask for
	kick    chan struct{} // one pending request at most
	cancel  context.CancelFunc
	done    chan struct{} // closed when run has returned

	keys atomic.Pointer[jwks] // nil before the first good answer

	mu sync.Mutex
	// mu guards the following.
	round chan struct{} // closed when the reading that is under way or asked for has ended; nil: there is none
}

// newKeySet starts reading cfg.JWKSURL; close ends that.
func newKeySet(cfg Config) *keySet {
	transport := cfg.transport
	if transport == nil {
		// One request an hour needs no connection kept.
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true
		t.MaxResponseHeaderBytes = 64 << 10
		transport = t
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &keySet{
		url: cfg.JWKSURL,
		client: &http.Client{
			Transport: transport,
			Timeout:   fetchTimeout,
			// The keys come from the configured address and from nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		refresh: cfg.RefreshEvery,
		log:     cfg.Log,
		limiter: rate.NewLimiter(rate.Every(askEvery), askBurst),
		kick:    make(chan struct{}, 1),
		cancel:  cancel,
		done:    make(chan struct{}),
		round:   make(chan struct{}), // the first reading is under way from here on
	}
	if s.refresh == 0 {
		s.refresh = DefaultRefresh
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	go s.run(ctx) // close waits for it
	return s
}

func (s *keySet) close() {
	s.cancel()
	<-s.done
}

func (s *keySet) ready() bool { return s.keys.Load() != nil }

// lookup returns the key, or keys, that a token of this kid ("": it names none) and algorithm may be signed with. Not
// finding one it waits for a new reading of the URL, if there may be one now.
func (s *keySet) lookup(kid, alg string) (any, error) {
	if k := s.keys.Load().find(kid, alg); k != nil {
		return k, nil
	}
	round := s.ask()
	if round == nil {
		return nil, s.missing()
	}
	timeout := time.NewTimer(lookupTimeout)
	defer timeout.Stop()
	select {
	case <-round:
	case <-timeout.C:
		return nil, ErrKeysUnavailable
	case <-s.done:
	}
	if k := s.keys.Load().find(kid, alg); k != nil {
		return k, nil
	}
	return nil, s.missing()
}

func (s *keySet) missing() error {
	if !s.ready() {
		return ErrKeysUnavailable
	}
	return ErrUnknownKey
}

// ask returns what is closed when the next reading has ended, or nil if tokens have asked too often.
func (s *keySet) ask() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round == nil {
		if !s.limiter.Allow() {
			return nil
		}
		s.round = make(chan struct{})
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	return s.round
}

// run reads the URL now, then every refresh interval, when a token asks for it, and after a failure with growing pauses.
// It alone fetches.
func (s *keySet) run(ctx context.Context) {
	defer close(s.done)
	failures, retry := 0, backoff.Pause{Least: firstRetry, Most: slowestRetry}
	for {
		s.begin()
		keys, err := s.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		pause := s.refresh
		if err == nil {
			s.keys.Store(keys)
			switch {
			case len(keys.all) == 0:
				s.log.Warn("the JWKS URL offers no key for RS256 or ES256")
			case failures > 0:
				s.log.Info("the JWKS URL answers again", "keys", len(keys.all), "failures", failures)
			}
			failures = 0
			retry.Reset()
		} else {
			// The keys that are there stay good: an identity provider that is away must not log everybody out.
			if failures == 0 {
				s.log.Warn("cannot read the JWKS URL, trying again", "error", err, "have_keys", s.ready())
			}
			pause = min(retry.Next(), s.refresh)
			failures++
		}
		s.end()
		timer := time.NewTimer(pause - rand.N(pause/10)) // many nodes do not come at once
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.kick:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// begin makes the reading that starts now the one that was asked for, if any.
func (s *keySet) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round == nil {
		s.round = make(chan struct{})
	}
	select {
	case <-s.kick:
	default:
	}
}

func (s *keySet) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.round)
	s.round = nil
}

// fetch reads the URL once. Its errors leave out the URL, whose query may be secret.
func (s *keySet) fetch(ctx context.Context) (*jwks, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(req)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxJWKSBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxJWKSBytes {
		return nil, fmt.Errorf("more than %d bytes", maxJWKSBytes)
	}
	return parseJWKS(body)
}
