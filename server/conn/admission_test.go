package conn

import (
	"fmt"
	"testing"
)

func TestAdmissionIsBounded(t *testing.T) {
	a := newAdmission(0, 0.0001)
	for i := range maxAddrs + 1000 {
		addr := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		if refused := a.enter(addr); refused != nil {
			t.Fatalf("address %d: %v", i, refused)
		}
		a.leave(addr)
	}
	if len(a.addrs) > maxAddrs {
		t.Errorf("%d addresses are remembered", len(a.addrs))
	}
}

func TestAdmissionForgets(t *testing.T) {
	a := newAdmission(2, 0)
	for range 5 {
		for i, want := range []*Refusal{nil, nil, refuseLimit} {
			if got := a.enter("10.0.0.1"); got != want {
				t.Errorf("connection %d: %v, want %v", i, got, want)
			}
		}
		a.leave("10.0.0.1")
		a.leave("10.0.0.1")
		if got := len(a.addrs); got != 0 {
			t.Errorf("%d addresses are remembered", got)
		}
	}
}
