package redis

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func TestSignIns(t *testing.T) {
	m := miniredis.RunT(t)
	s := NewSignIns(dial(t, "redis://"+m.Addr()))
	if err := s.Save(t.Context(), "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := m.Set("socket.io-admin#0123456789abcdef", "true"); err != nil { // as a Node server keeps it
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"a": true, "0123456789abcdef": true, "b": false} {
		if has, err := s.Has(t.Context(), id); has != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", id, has, err, want)
		}
	}
	m.FastForward(time.Hour)
	if has, err := s.Has(t.Context(), "a"); has || err != nil {
		t.Errorf("when it is over: %v, %v", has, err)
	}
	m.Close()
	if _, err := s.Has(t.Context(), "a"); err == nil {
		t.Error("without Redis there is no error")
	}
}
