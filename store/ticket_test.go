package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"signalbox/store"
)

// TestNewTicket also says what is kept: a hash, and nothing that the ticket could be had from.
func TestNewTicket(t *testing.T) {
	for range 100 {
		ticket, kept := store.NewTicket()
		raw, err := hex.DecodeString(ticket)
		if err != nil || kept != sha256.Sum256(raw) {
			t.Fatalf("NewTicket = %q, %x, want its bytes' SHA-256", ticket, kept)
		}
		got, ok := store.HashTicket(ticket)
		if !ok || got != kept {
			t.Fatalf("HashTicket(%q) = %x, %v, want %x", ticket, got, ok, kept)
		}
	}
}

func FuzzHashTicket(f *testing.F) {
	for _, seed := range []string{"", "0123456789abcdef01234567", "0123456789ABCDEF01234567", " 123456789abcdef01234567",
		"0123456789abcdef0123456", "0123456789abcdef012345678", "ßßßßßßßßßßßß", "%30%30%30%30%30%30%30%30"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ticket string) {
		_, ok := store.HashTicket(ticket)
		want := len(ticket) == store.TicketDigits && strings.Trim(ticket, "0123456789abcdef") == ""
		if ok != want {
			t.Fatalf("HashTicket(%q) = %v, want %v", ticket, ok, want)
		}
	})
}
