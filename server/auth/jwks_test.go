package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// keyServer is an identity provider's JWKS URL on the loopback interface.
type keyServer struct {
	*httptest.Server

	mu   sync.Mutex
	body string
	hits int
}

func newKeyServer(t testing.TB, keys ...map[string]any) *keyServer {
	t.Helper()
	s := &keyServer{body: jwksBody(keys...)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hits++
		io.WriteString(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(keys ...map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = jwksBody(keys...)
}

func (s *keyServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}

func jwksBody(keys ...map[string]any) string {
	body, err := json.Marshal(map[string]any{"keys": append([]map[string]any{}, keys...)})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func rsaJWK(kid string, key *rsa.PublicKey) map[string]any {
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())}
}

func ecJWK(kid string, key *ecdsa.PublicKey) map[string]any {
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	half := (len(point) - 1) / 2
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": key.Params().Name, "kid": kid,
		"x": encode(point[1 : 1+half]), "y": encode(point[1+half:])}
}

// provider is a JWKS URL in a synctest bubble, without a network.
type provider struct {
	mu     sync.Mutex
	answer func(r *http.Request) (*http.Response, error)
	hits   int
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.hits++
	do := p.answer
	p.mu.Unlock()
	return do(r)
}

// set changes what is answered from now on.
func (p *provider) set(do func(r *http.Request) (*http.Response, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = do
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// offering answers with keys.
func offering(keys ...map[string]any) func(*http.Request) (*http.Response, error) {
	body := jwksBody(keys...)
	return func(*http.Request) (*http.Response, error) { return answer(http.StatusOK, body), nil }
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestJWKSGood(t *testing.T) {
	rsaKey, ecKey := ownRSAKey(t), newECKey(t)
	server := newKeyServer(t, rsaJWK("r1", &rsaKey.PublicKey), ecJWK("e1", &ecKey.PublicKey))
	v := open(t, Config{JWKSURL: server.URL})
	claims := jwt.MapClaims{"sub": "42"}
	for name, token := range map[string]string{
		"RS256":         signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": "r1"}),
		"RS256, no kid": signed(t, jwt.SigningMethodRS256, rsaKey, claims, nil),
		"ES256":         signed(t, jwt.SigningMethodES256, ecKey, claims, map[string]any{"kid": "e1"}),
		"ES256, no kid": signed(t, jwt.SigningMethodES256, ecKey, claims, nil),
	} {
		if id, err := v.Verify(token); err != nil || id.UserID() != "42" {
			t.Errorf("Verify(%s) = %+v, %v, want user 42", name, id, err)
		}
	}
	if !v.Ready() {
		t.Error("Ready = false after a good answer")
	}
}

func TestJWKSRotation(t *testing.T) {
	before, after := ownRSAKey(t), nextRSAKey(t)
	server := newKeyServer(t, rsaJWK("2025", &before.PublicKey))
	v := open(t, Config{JWKSURL: server.URL})
	claims := jwt.MapClaims{"sub": "42"}
	old := signed(t, jwt.SigningMethodRS256, before, claims, map[string]any{"kid": "2025"})
	fresh := signed(t, jwt.SigningMethodRS256, after, claims, map[string]any{"kid": "2026"})

	if _, err := v.Verify(old); err != nil {
		t.Fatalf("Verify(old) = %v", err)
	}
	if _, err := v.Verify(fresh); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("Verify(fresh) before the rotation = %v, want ErrUnknownKey", err)
	}
	server.set(rsaJWK("2026", &after.PublicKey))
	if _, err := v.Verify(fresh); err != nil {
		t.Fatalf("Verify(fresh) after the rotation = %v", err)
	}
	if _, err := v.Verify(old); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("Verify(old) after the rotation = %v, want ErrUnknownKey", err)
	}
}

func TestJWKSFollowsNoRedirect(t *testing.T) {
	key := ownRSAKey(t)
	elsewhere := newKeyServer(t, rsaJWK("r1", &key.PublicKey))
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	v := open(t, Config{JWKSURL: server.URL})
	token := signed(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"sub": "42"}, map[string]any{"kid": "r1"})
	if _, err := v.Verify(token); !errors.Is(err, ErrKeysUnavailable) {
		t.Errorf("Verify = %v, want ErrKeysUnavailable", err)
	}
	if n := elsewhere.count(); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
}

// TestJWKSUnknownKids is a flood of made-up kids: the provider sees some requests, and a new key still arrives.
func TestJWKSUnknownKids(t *testing.T) {
	key, next := ownRSAKey(t), nextRSAKey(t)
	claims := jwt.MapClaims{"sub": "42"}
	forged := signed(t, jwt.SigningMethodRS256, next, claims, map[string]any{"kid": "made up"})
	fresh := signed(t, jwt.SigningMethodRS256, next, claims, map[string]any{"kid": "r2"})
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: offering(rsaJWK("r1", &key.PublicKey))}
		v := open(t, Config{JWKSURL: "https://id.example/jwks", transport: p})
		synctest.Wait()
		for range 1000 {
			if _, err := v.Verify(forged); !errors.Is(err, ErrUnknownKey) {
				t.Fatalf("Verify = %v, want ErrUnknownKey", err)
			}
		}
		if hits := p.count(); hits != 1+askBurst {
			t.Errorf("1000 forged tokens at once made %d requests, want %d", hits, 1+askBurst)
		}
		p.set(offering(rsaJWK("r1", &key.PublicKey), rsaJWK("r2", &next.PublicKey)))
		time.Sleep(askEvery)
		v.Verify(forged) // takes the turn, and brings the key
		if _, err := v.Verify(fresh); err != nil {
			t.Errorf("Verify(fresh) = %v", err)
		}
		if hits := p.count(); hits != 2+askBurst {
			t.Errorf("%d requests, want %d", hits, 2+askBurst)
		}
	})
}

// TestJWKSOneReadingForAll: who comes before the first answer waits for it, and nobody asks again.
func TestJWKSOneReadingForAll(t *testing.T) {
	key := ownRSAKey(t)
	token := signed(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"sub": "42"}, map[string]any{"kid": "r1"})
	synctest.Test(t, func(t *testing.T) {
		p := &provider{answer: func(*http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return answer(http.StatusOK, jwksBody(rsaJWK("r1", &key.PublicKey))), nil
		}}
		v := open(t, Config{JWKSURL: "https://id.example/jwks", transport: p})
		if v.Ready() {
			t.Error("Ready before the first answer")
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := v.Verify(token); err != nil {
					t.Errorf("Verify = %v", err)
				}
			})
		}
		wg.Wait()
		if hits := p.count(); hits != 1 {
			t.Errorf("%d requests, want 1", hits)
		}
	})
}

func TestJWKSThatNeverAnswers(t *testing.T) {
	key := ownRSAKey(t)
	token := signed(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"sub": "42"}, map[string]any{"kid": "r1"})
	synctest.Test(t, func(t *testing.T) {
		v := open(t, Config{JWKSURL: "https://id.example/jwks", transport: &provider{answer: func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}})
		start := time.Now()
		if _, err := v.Verify(token); !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("Verify = %v, want ErrKeysUnavailable", err)
		}
		if took := time.Since(start); took != lookupTimeout {
			t.Errorf("Verify took %v, want %v", took, lookupTimeout)
		}
		done := make(chan error)
		go func() { // the test waits for it
			_, err := v.Verify(token)
			done <- err
		}()
		synctest.Wait()
		v.Close()
		if err := <-done; !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("Verify during Close = %v, want ErrKeysUnavailable", err)
		}
	})
}

// TestJWKSAway: keys stay while the provider is away, the pauses grow, and the log says it once.
func TestJWKSAway(t *testing.T) {
	key := ownRSAKey(t)
	token := signed(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"sub": "42"}, map[string]any{"kid": "r1"})
	for name, away := range map[string]func() (*http.Response, error){
		"refused":       func() (*http.Response, error) { return nil, errors.New("connection refused") },
		"status 500":    func() (*http.Response, error) { return answer(http.StatusInternalServerError, "{}"), nil },
		"not found":     func() (*http.Response, error) { return answer(http.StatusNotFound, jwksBody()), nil },
		"a page":        func() (*http.Response, error) { return answer(http.StatusOK, "<html>"), nil },
		"no keys":       func() (*http.Response, error) { return answer(http.StatusOK, "{}"), nil },
		"keys null":     func() (*http.Response, error) { return answer(http.StatusOK, `{"keys":null}`), nil },
		"keys a number": func() (*http.Response, error) { return answer(http.StatusOK, `{"keys":1}`), nil },
		"endless": func() (*http.Response, error) {
			res := answer(http.StatusOK, "")
			res.Body = io.NopCloser(endless{})
			return res, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				up := offering(rsaJWK("r1", &key.PublicKey))
				p := &provider{answer: up}
				v := open(t, Config{JWKSURL: "https://id.example/jwks?key=hunter2", Log: slog.New(slog.NewTextHandler(&log, nil)), transport: p})
				synctest.Wait()
				p.set(func(*http.Request) (*http.Response, error) { return away() })
				time.Sleep(4 * time.Hour) // the first of them is the usual refresh
				synctest.Wait()
				if _, err := v.Verify(token); err != nil {
					t.Errorf("Verify while the provider is away = %v", err)
				}
				if perHour := p.count() / 3; perHour < 50 || perHour > 80 {
					t.Errorf("%d requests in an hour, want about one a minute", perHour)
				}
				p.set(up)
				time.Sleep(slowestRetry)
				synctest.Wait()
				if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "WARN") || !strings.Contains(text, "answers again") ||
					strings.Contains(text, "hunter2") {
					t.Errorf("the log says %q, want one warning and one all-clear without the URL", text)
				}
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, strings.Repeat(" ", len(p))), nil }

// TestJWKSRefresh: a key that was taken back is refused after the next reading, which comes by itself.
func TestJWKSRefresh(t *testing.T) {
	key := ownRSAKey(t)
	token := signed(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"sub": "42"}, map[string]any{"kid": "r1"})
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := &provider{answer: offering(rsaJWK("r1", &key.PublicKey))}
		v := open(t, Config{JWKSURL: "https://id.example/jwks", RefreshEvery: 10 * time.Minute,
			Log: slog.New(slog.NewTextHandler(&log, nil)), transport: p})
		if _, err := v.Verify(token); err != nil {
			t.Fatalf("Verify = %v", err)
		}
		p.set(offering())
		time.Sleep(9*time.Minute - time.Second)
		if _, err := v.Verify(token); err != nil {
			t.Fatalf("Verify before the refresh = %v", err)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if _, err := v.Verify(token); !errors.Is(err, ErrUnknownKey) {
			t.Fatalf("Verify after the refresh = %v, want ErrUnknownKey", err)
		}
		if !strings.Contains(log.String(), "no key for RS256") {
			t.Errorf("the log says %q, want that there is no key", log.String())
		}
	})
}

func TestCheckJWKSURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://id.example/.well-known/jwks.json": true,
		"https://id.example:8443/jwks?tenant=a":    true,
		"http://127.0.0.1:9000/jwks":               true,
		"http://127.8.9.1/jwks":                    true,
		"http://[::1]:9000/jwks":                   true,
		"http://localhost:9000/jwks":               true,
		"":                                         false,
		"jwks.json":                                false,
		"//id.example/jwks":                        false,
		"id.example/jwks":                          false,
		"https://":                                 false,
		"https://:443/jwks":                        false,
		"https:///jwks":                            false,
		"https:id.example":                         false,
		"http://id.example/jwks":                   false,
		"http://10.0.0.1/jwks":                     false,
		"http://localhost.evil.example/jwks":       false,
		"http://127.0.0.1.evil.example/jwks":       false,
		"http://127.0.0.1@evil.example/jwks":       false,
		"https://user:pass@id.example/jwks":        false,
		"https://id.example/jwks#keys":             false,
		"ftp://id.example/jwks":                    false,
		"file:///etc/passwd":                       false,
		"https://id.example/\x00":                  false,
		"https://id .example/":                     false,
	} {
		if err := CheckJWKSURL(url); (err == nil) != ok {
			t.Errorf("CheckJWKSURL(%q) = %v, want ok %v", url, err, ok)
		} else if err != nil && strings.Contains(err.Error(), "pass@") {
			t.Errorf("CheckJWKSURL(%q) = %v, which holds the password", url, err)
		}
	}
}
