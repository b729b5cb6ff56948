package auth

import (
	"testing"
	"time"
)

func TestIdentityCanJoin(t *testing.T) {
	for name, c := range map[string]struct {
		rooms        string // the member of the payload, with its comma
		open, closed []string
	}{
		"no claim":          {``, []string{"a", "user:42", "", "*", "ä"}, nil},
		"empty list":        {`,"rooms":[]`, nil, []string{"a", "", "*", "[]"}},
		"names":             {`,"rooms":["a","b"]`, []string{"a", "b"}, []string{"", "A", "ab", "a ", " a", "a\x00", "c", "a*"}},
		"prefix":            {`,"rooms":["team-*"]`, []string{"team-", "team-1", "team-*", "team-ä"}, []string{"team", "Team-1", "xteam-1", "*", ""}},
		"prefix and names":  {`,"rooms":["a","team-*","b"]`, []string{"a", "b", "team-1"}, []string{"c", "aa"}},
		"everything by *":   {`,"rooms":["*"]`, []string{"a", "", "*"}, nil},
		"other claim names": {`,"Rooms":[],"room":[]`, []string{"a"}, nil},
		"glob signs":        {`,"rooms":["a?","[ab]","room.1"]`, []string{"a?", "[ab]", "room.1"}, []string{"ab", "a", "roomx1"}},
		"one name twice":    {`,"rooms":["a","a"]`, []string{"a"}, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := identify(t, `{"sub":"42"`+c.rooms+`}`)
			if err != nil {
				t.Fatal(err)
			}
			for _, room := range c.open {
				if !id.CanJoin(room) {
					t.Errorf("CanJoin(%q) = false, want true", room)
				}
			}
			for _, room := range c.closed {
				if id.CanJoin(room) {
					t.Errorf("CanJoin(%q) = true, want false", room)
				}
			}
		})
	}
}

func TestIdentityHasScope(t *testing.T) {
	for scope, want := range map[string]bool{
		``:                         false,
		`,"scope":""`:              false,
		`,"scope":"tap"`:           true,
		`,"scope":"read tap x"`:    true,
		`,"scope":" tap "`:         true,
		`,"scope":"tap\u0000"`:     false,
		`,"scope":"TAP"`:           false,
		`,"scope":"taps"`:          false,
		`,"scope":"tap,read"`:      false,
		`,"scope":["tap"]`:         false,
		`,"scope":{"tap":true}`:    false,
		`,"scope":null`:            false,
		`,"Scope":"tap"`:           false,
		`,"scopes":"tap"`:          false,
		`,"scope":"tap","scope":1`: false,
	} {
		id, err := identify(t, `{"sub":"42"`+scope+`}`)
		if err != nil {
			t.Errorf("identity with %s: %v", scope, err)
			continue
		}
		if got := id.HasScope("tap"); got != want {
			t.Errorf("HasScope with %s = %v, want %v", scope, got, want)
		}
		if id.HasScope("") {
			t.Errorf(`HasScope("") with %s = true`, scope)
		}
	}
}

func TestIdentityExpiredAt(t *testing.T) {
	id, err := identify(t, `{"sub":"42","exp":1000.25}`)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Unix(1000, 250_000_000)
	if !id.Expires().Equal(end) {
		t.Errorf("Expires = %v, want %v", id.Expires(), end)
	}
	if id.ExpiredAt(end.Add(-1)) || !id.ExpiredAt(end) {
		t.Errorf("ExpiredAt just before, at its end = %v, %v, want false, true", id.ExpiredAt(end.Add(-1)), id.ExpiredAt(end))
	}
	for payload, want := range map[string]time.Time{
		`{"sub":"42"}`:                        {},
		`{"sub":"42","exp":0}`:                time.Unix(0, 0),
		`{"sub":"42","exp":-62135596800}`:     time.Unix(0, 0), // Go's zero time, which means never
		`{"sub":"42","exp":99999999999999}`:   time.Unix(endOfTime, 0),
		`{"sub":"42","exp":1e400}`:            time.Unix(endOfTime, 0),
		`{"sub":"42","exp":1.7e9}`:            time.Unix(1_700_000_000, 0),
		`{"sub":"42","exp":0.00000000000001}`: time.Unix(0, 0),
	} {
		id, err := identify(t, payload)
		if err != nil || !id.Expires().Equal(want) {
			t.Errorf("Expires of %s = %v, %v, want %v", payload, id, err, want)
		}
	}
}
