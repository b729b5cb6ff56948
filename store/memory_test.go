package store_test

import (
	"fmt"
	"testing"

	"signalbox/store"
	"signalbox/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.TestUserStore(t, func(*testing.T) store.UserStore { return store.NewMemory() })
}

// A room's list must not cost more because other rooms are full.
func BenchmarkMemoryGetRoomUsers(b *testing.B) {
	for _, others := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("users=10/others=%d", others), func(b *testing.B) {
			s := store.NewMemory()
			for i := range others {
				s.SaveUser(b.Context(), store.User{ID: fmt.Sprint("o", i), Room: fmt.Sprint("q", i%1000)})
			}
			for i := range 10 {
				s.SaveUser(b.Context(), store.User{ID: fmt.Sprint("u", i), Room: "r"})
			}
			b.ReportAllocs()
			for b.Loop() {
				s.GetRoomUsers(b.Context(), "r")
			}
		})
	}
}

func BenchmarkMemorySaveDelete(b *testing.B) {
	for _, users := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			s := store.NewMemory()
			for i := range users {
				s.SaveUser(b.Context(), store.User{ID: fmt.Sprint("u", i), Room: "r"})
			}
			u := store.User{ID: "x", Room: "r"}
			b.ReportAllocs()
			for b.Loop() {
				s.SaveUser(b.Context(), u)
				s.DeleteUser(b.Context(), u.ID)
			}
		})
	}
}
