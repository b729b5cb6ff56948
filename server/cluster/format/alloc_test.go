//go:build !race

package format

import "testing"

// The race detector has allocations of its own.
func TestAllocations(t *testing.T) {
	msg := Broadcast{UID: "c-abrU", Namespace: "/chat", Rooms: []string{"general"}, Packet: Packet{Args: args(`"message"`, `{"a":[1,2.5,"x"]}`)},
		Ext: &Ext{RoomKinds: "r", Node: "n-1", MessageID: "0192f5a3-7c1e"}}
	wire, err := AppendClassic(nil, &msg)
	if err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 0, 512)
	for name, tt := range map[string]struct {
		want float64
		do   func() error
	}{
		"append": {1, func() error { _, err := AppendClassic(nil, &msg); return err }},
		"append where there is room": {0, func() error {
			_, err := AppendClassic(room, &msg)
			return err
		}},
		"peek":   {3, func() error { _, err := PeekClassic(wire); return err }},
		"decode": {5, func() error { p, _ := PeekClassic(wire); _, err := p.Packet(); return err }},
	} {
		var err error
		if got := testing.AllocsPerRun(100, func() { err = tt.do() }); got > tt.want || err != nil {
			t.Errorf("%s: %v allocations, %v, want %v", name, got, err, tt.want)
		}
	}
}
