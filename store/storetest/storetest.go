// Package storetest is the contract of package store as tests: every implementation runs them.
package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"signalbox/store"
)

// TestUserStore holds an implementation against the contract of [store.UserStore]. open returns a store in which no
// user is; it is called once for each case and cleans up through t.
func TestUserStore(t *testing.T, open func(t *testing.T) store.UserStore) {
	cases := map[string]func(t *testing.T, s store.UserStore){
		"an empty store finds nobody":                          emptyStore,
		"a saved user is found with every field":               savedUserIsFound,
		"a second user with the same id changes nothing":       sameIDIsRefused,
		"equal names with different ids are two users":         equalNames,
		"a deleted user is returned once and gone":             deletedUserIsGone,
		"a room lists its own users only, in login order":      loginOrder,
		"who leaves and comes back is the last":                comingBack,
		"the first, middle and last user of a room may leave":  anyoneLeaves,
		"the list is the caller's own":                         listIsACopy,
		"texts are kept byte for byte and never mistaken":      anyText,
		"a long list keeps its order":                          longList,
		"many log in and out at once and the list is complete": concurrent,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

func emptyStore(t *testing.T, s store.UserStore) {
	if _, ok, err := s.FindUser(t.Context(), "a"); ok || err != nil {
		t.Errorf("FindUser = %v, %v, want false, nil", ok, err)
	}
	if _, ok, err := s.DeleteUser(t.Context(), "a"); ok || err != nil {
		t.Errorf("DeleteUser = %v, %v, want false, nil", ok, err)
	}
	wantRoom(t, s, "r")
}

func savedUserIsFound(t *testing.T, s store.UserStore) {
	u := store.User{ID: "a", Name: "Ann", Room: "r"}
	save(t, s, u)
	got, ok, err := s.FindUser(t.Context(), "a")
	if got != u || !ok || err != nil {
		t.Errorf("FindUser = %v, %v, %v, want %v, true, nil", got, ok, err, u)
	}
}

func sameIDIsRefused(t *testing.T, s store.UserStore) {
	u := store.User{ID: "a", Name: "Ann", Room: "r"}
	save(t, s, u)
	for _, other := range []store.User{u, {ID: "a", Name: "Bob", Room: "r"}, {ID: "a", Name: "Ann", Room: "q"}} {
		if added, err := s.SaveUser(t.Context(), other); added || err != nil {
			t.Errorf("SaveUser(%v) = %v, %v, want false, nil", other, added, err)
		}
	}
	wantRoom(t, s, "r", u)
	wantRoom(t, s, "q")
}

func equalNames(t *testing.T, s store.UserStore) {
	a, b := store.User{ID: "a", Name: "Ann", Room: "r"}, store.User{ID: "b", Name: "Ann", Room: "r"}
	save(t, s, a)
	save(t, s, b)
	wantRoom(t, s, "r", a, b)
}

func deletedUserIsGone(t *testing.T, s store.UserStore) {
	u := store.User{ID: "a", Name: "Ann", Room: "r"}
	save(t, s, u)
	if got, ok, err := s.DeleteUser(t.Context(), "a"); got != u || !ok || err != nil {
		t.Errorf("DeleteUser = %v, %v, %v, want %v, true, nil", got, ok, err, u)
	}
	if _, ok, err := s.DeleteUser(t.Context(), "a"); ok || err != nil {
		t.Errorf("second DeleteUser = %v, %v, want false, nil", ok, err)
	}
	if _, ok, err := s.FindUser(t.Context(), "a"); ok || err != nil {
		t.Errorf("FindUser = %v, %v, want false, nil", ok, err)
	}
	wantRoom(t, s, "r")
}

func loginOrder(t *testing.T, s store.UserStore) {
	var want []store.User
	for i := range 20 {
		u := store.User{ID: fmt.Sprintf("id%d", 19-i), Name: "n", Room: "r"}
		save(t, s, u)
		want = append(want, u)
		save(t, s, store.User{ID: fmt.Sprintf("other%d", i), Name: "n", Room: "q"})
	}
	wantRoom(t, s, "r", want...)
}

func comingBack(t *testing.T, s store.UserStore) {
	a, b := store.User{ID: "a", Name: "Ann", Room: "r"}, store.User{ID: "b", Name: "Bob", Room: "r"}
	save(t, s, a)
	save(t, s, b)
	remove(t, s, "a")
	save(t, s, a)
	wantRoom(t, s, "r", b, a)
}

func anyoneLeaves(t *testing.T, s store.UserStore) {
	var users []store.User
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		u := store.User{ID: id, Name: "n", Room: "r"}
		save(t, s, u)
		users = append(users, u)
	}
	remove(t, s, "c")
	wantRoom(t, s, "r", users[0], users[1], users[3], users[4])
	remove(t, s, "a")
	wantRoom(t, s, "r", users[1], users[3], users[4])
	remove(t, s, "e")
	wantRoom(t, s, "r", users[1], users[3])
	save(t, s, users[0])
	wantRoom(t, s, "r", users[1], users[3], users[0])
	for _, id := range []string{"b", "d", "a"} {
		remove(t, s, id)
	}
	wantRoom(t, s, "r")
}

func anyText(t *testing.T, s store.UserStore) {
	texts := []string{"", "a", "b", "aa", "1:a", "a1:a", ":", "0:", "\x00", "\xff\xfe", "ü\n \t{}*?[x]", strings.Repeat("x", 5000)}
	var all []store.User
	rooms := make(map[string][]store.User)
	for i, room := range texts {
		for j, name := range texts {
			u := store.User{ID: fmt.Sprintf("%s %d %d", texts[(i+j)%len(texts)], i, j), Name: name, Room: room}
			save(t, s, u)
			all = append(all, u)
			rooms[room] = append(rooms[room], u)
		}
	}
	for room, want := range rooms {
		wantRoom(t, s, room, want...)
	}
	for _, u := range all {
		if got, ok, err := s.FindUser(t.Context(), u.ID); got != u || !ok || err != nil {
			t.Errorf("FindUser(%q) = %.80q, %v, %v, want %.80q", u.ID, got, ok, err, u)
		}
		if got, ok, err := s.DeleteUser(t.Context(), u.ID); got != u || !ok || err != nil {
			t.Errorf("DeleteUser(%q) = %.80q, %v, %v, want %.80q", u.ID, got, ok, err, u)
		}
	}
	for room := range rooms {
		wantRoom(t, s, room)
	}
}

func longList(t *testing.T, s store.UserStore) {
	var want []store.User
	for i := range 300 {
		u := store.User{ID: fmt.Sprintf("%d", 300-i), Name: fmt.Sprintf("%d", i*7%300), Room: "r"}
		save(t, s, u)
		want = append(want, u)
	}
	wantRoom(t, s, "r", want...)
}

func listIsACopy(t *testing.T, s store.UserStore) {
	a, b := store.User{ID: "a", Name: "Ann", Room: "r"}, store.User{ID: "b", Name: "Bob", Room: "r"}
	save(t, s, a)
	save(t, s, b)
	list, err := s.GetRoomUsers(t.Context(), "r")
	if err != nil || len(list) != 2 {
		t.Fatalf("GetRoomUsers = %v, %v, want two users", list, err)
	}
	list[0].Name = "changed"
	_ = append(list[:1], store.User{ID: "x"})
	wantRoom(t, s, "r", a, b)
}

func concurrent(t *testing.T, s store.UserStore) {
	const workers, rounds = 16, 25
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			id := fmt.Sprintf("id%d", w)
			u := store.User{ID: id, Name: "n", Room: fmt.Sprintf("r%d", w%2)}
			for range rounds {
				if added, err := s.SaveUser(t.Context(), u); !added || err != nil {
					t.Errorf("SaveUser(%s) = %v, %v, want true, nil", id, added, err)
				}
				if list, err := s.GetRoomUsers(t.Context(), u.Room); err != nil || !slices.Contains(list, u) {
					t.Errorf("GetRoomUsers after SaveUser(%s) = %v, %v, want it in", id, list, err)
				}
				if _, ok, err := s.DeleteUser(t.Context(), id); !ok || err != nil {
					t.Errorf("DeleteUser(%s) = %v, %v, want true, nil", id, ok, err)
				}
			}
			save(t, s, u)
		})
	}
	wg.Wait()
	for _, room := range []string{"r0", "r1"} {
		list, err := s.GetRoomUsers(t.Context(), room)
		if err != nil || len(list) != workers/2 {
			t.Errorf("GetRoomUsers(%s) = %d users, %v, want %d", room, len(list), err, workers/2)
		}
	}
}

func save(t *testing.T, s store.UserStore, u store.User) {
	t.Helper()
	if added, err := s.SaveUser(t.Context(), u); !added || err != nil {
		t.Errorf("SaveUser(%v) = %v, %v, want true, nil", u, added, err)
	}
}

func remove(t *testing.T, s store.UserStore, id string) {
	t.Helper()
	if _, ok, err := s.DeleteUser(t.Context(), id); !ok || err != nil {
		t.Errorf("DeleteUser(%s) = %v, %v, want true, nil", id, ok, err)
	}
}

func wantRoom(t *testing.T, s store.UserStore, room string, want ...store.User) {
	t.Helper()
	got, err := s.GetRoomUsers(t.Context(), room)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("GetRoomUsers(%s) = %v, %v, want %v", room, got, err, want)
	}
}
