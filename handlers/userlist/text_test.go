package userlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"signalbox/server/hub"
	"signalbox/store"
)

// listMessage is a list that has no list before it.
func listMessage(users []store.User) *hub.Message { return new(listText).message(users, nil) }

// A list that goes on from the one before says the same as one made anew, and leaves what was sent as it was.
func TestListsThatGoOnAreTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var text listText
	var users []store.User
	sent := map[*hub.Message]string{}
	for i := range 500 {
		switch n := rng.IntN(10); {
		case n == 0 && len(users) > 0:
			at := rng.IntN(len(users))
			users = slices.Delete(slices.Clone(users), at, at+1)
		case n == 1 && len(users) > 0:
			users = slices.Clone(users)
			users[rng.IntN(len(users))].Name = fmt.Sprint("other", i)
		default:
			users = append(slices.Clone(users), store.User{ID: fmt.Sprint(i), Name: `a"b`, Room: "r"})
		}
		m := text.message(users, nil)
		want := string(listMessage(users).Args[0])
		if got := string(m.Args[0]); got != want {
			t.Fatalf("list %d = %s, want %s", i, got, want)
		}
		sent[m] = want
	}
	for m, want := range sent {
		if got := string(m.Args[0]); got != want {
			t.Fatalf("a list changed after it was made: %s, was %s", got, want)
		}
	}
}

func BenchmarkUserList(b *testing.B) {
	users := make([]store.User, 300)
	for i := range users {
		users[i] = store.User{ID: fmt.Sprintf("abcdefghijklmnop%04d", i), Name: fmt.Sprint("name", i), Room: "room"}
	}
	b.ReportAllocs()
	for b.Loop() {
		listMessage(users)
	}
}
