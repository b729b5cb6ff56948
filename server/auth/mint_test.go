package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := open(t, Config{Secret: testSecret, Issuer: "me", Audience: "you", RequireExpiry: true})
		token, err := Mint(testSecret, Claims{UserID: "42", Name: "Ada", Rooms: []string{"all", "team-*"}, Scope: "tap read",
			Issuer: "me", Audience: "you"}, time.Hour)
		if err != nil {
			t.Fatalf("Mint = %v", err)
		}
		id, err := v.Verify(token)
		if err != nil {
			t.Fatalf("Verify = %v", err)
		}
		if id.UserID() != "42" || id.Name() != "Ada" || !id.CanJoin("team-1") || id.CanJoin("other") || !id.HasScope("tap") {
			t.Errorf("Verify = %+v", id)
		}
		if want := time.Now().Add(time.Hour); !id.Expires().Equal(want) {
			t.Errorf("Expires = %v, want %v", id.Expires(), want)
		}
		time.Sleep(time.Hour)
		if _, err := v.Verify(token); !errors.Is(err, ErrExpired) {
			t.Errorf("Verify after an hour = %v, want ErrExpired", err)
		}
	})
}

func TestMintLeavesOut(t *testing.T) {
	payload := func(c Claims) string {
		token, err := Mint(testSecret, c, time.Hour)
		if err != nil {
			t.Fatalf("Mint = %v", err)
		}
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := payload(Claims{UserID: "42"}); strings.Count(got, ":") != 3 {
		t.Errorf("payload = %s, want sub, iat and exp", got)
	}
	if got := payload(Claims{UserID: "42", Rooms: []string{}}); !strings.Contains(got, `"rooms":[]`) {
		t.Errorf("payload = %s, want an empty list of rooms", got)
	}
}

func TestMintRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		secret string
		claims Claims
		ttl    time.Duration
		want   string
	}{
		"no secret":         {"", Claims{UserID: "42"}, time.Hour, "at least 16"},
		"a short secret":    {"hunter2", Claims{UserID: "42"}, time.Hour, "at least 16"},
		"no user":           {testSecret, Claims{Name: "Ada"}, time.Hour, "needs a user"},
		"no time":           {testSecret, Claims{UserID: "42"}, 0, "1s or more"},
		"negative time":     {testSecret, Claims{UserID: "42"}, -time.Hour, "1s or more"},
		"a moment":          {testSecret, Claims{UserID: "42"}, time.Millisecond, "1s or more"},
		"a user, no UTF-8":  {testSecret, Claims{UserID: "\xff"}, time.Hour, "sub"},
		"an empty room":     {testSecret, Claims{UserID: "42", Rooms: []string{""}}, time.Hour, "rooms"},
		"a * within a room": {testSecret, Claims{UserID: "42", Rooms: []string{"a*b"}}, time.Hour, "rooms"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := Mint(c.secret, c.claims, c.ttl)
			if token != "" || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Mint = %q, %v, want an error with %q", token, err, c.want)
			}
		})
	}
}
