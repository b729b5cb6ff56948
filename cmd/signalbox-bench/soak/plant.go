package soak

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
)

// Faults that can be planted, to see that the checker finds them.
const (
	plantDrop   = "drop"   // a message is lost
	plantDouble = "double" // a message comes twice
	plantSwap   = "swap"   // two messages come in the wrong order
	plantList   = "list"   // a list of users lacks one
	plantKey    = "key"    // a key stays in Redis
)

var plants = []string{plantDrop, plantDouble, plantSwap, plantList, plantKey}

// plantEvery is how many of the broker's messages there are to a fault.
const plantEvery = 20

// plant is a kind of fault in what servers say to clients.
type plant struct {
	kind string
	seen atomic.Int64
}

// newPlant returns nil for no fault, or one that is not of the network.
func newPlant(kind string) (*plant, error) {
	switch {
	case kind == "", kind == plantKey:
		return nil, nil
	case slices.Contains(plants, kind):
		return &plant{kind: kind}, nil
	}
	return nil, fmt.Errorf("--plant %s: choose from %v", kind, plants)
}

// mangler cuts the frames of a WebSocket out of a stream of bytes from a server, and mistreats them as the plant says.
type mangler struct {
	plant  *plant
	begun  bool // the head of the answer has passed
	buf    []byte
	second []byte // a frame that waits for the next one to go first
}

// pass returns what goes on in place of b.
func (m *mangler) pass(b []byte) []byte {
	m.buf = append(m.buf, b...)
	var out []byte
	if !m.begun {
		end := bytes.Index(m.buf, []byte("\r\n\r\n"))
		if end < 0 {
			return nil
		}
		m.begun = true
		out = append(out, m.buf[:end+4]...)
		m.buf = m.buf[end+4:]
	}
	for {
		size := frameSize(m.buf)
		if size == 0 || size > len(m.buf) {
			return out
		}
		out = m.frame(out, m.buf[:size])
		m.buf = m.buf[size:]
	}
}

// frame appends what becomes of one frame.
func (m *mangler) frame(out, f []byte) []byte {
	if m.second != nil && bytes.Contains(f, senderOf(m.second)) {
		out = append(append(out, f...), m.second...)
		m.second = nil
		return out
	}
	switch {
	case m.plant.kind == plantList:
		if bytes.Contains(f, []byte(`42["users",[{`)) {
			return out
		}
		return append(out, f...)
	case m.second != nil, !bytes.Contains(f, []byte(`42["m",`)), m.plant.seen.Add(1)%plantEvery != 0:
		return append(out, f...)
	}
	switch m.plant.kind {
	case plantDrop:
		return out
	case plantDouble:
		return append(append(out, f...), f...)
	}
	m.second = bytes.Clone(f)
	return out
}

// senderOf returns what is in the messages of the same session.
func senderOf(f []byte) []byte {
	from := f[bytes.Index(f, []byte(mark)):]
	return from[:bytes.IndexByte(from, ',')]
}

// frameSize returns the length of the frame at the start of b, or 0 where its header is not whole.
func frameSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch n := int(b[1] & 0x7F); {
	case n < 126:
		return 2 + n
	case n == 126 && len(b) >= 4:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case n == 127 && len(b) >= 10:
		return 10 + int(binary.BigEndian.Uint64(b[2:]))
	}
	return 0
}
