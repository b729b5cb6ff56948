package wire

import (
	"bytes"
	"io"
	"testing"

	"github.com/gobwas/ws"
)

// decode reads the frames back with an independent implementation of RFC 6455.
func decode(t *testing.T, m *Message) (payloads [][]byte, ops []ws.OpCode) {
	t.Helper()
	var wire bytes.Buffer
	for i := range m.Parts() {
		wire.Write(m.Parts()[i].Frame())
	}
	if wire.Len() != m.Size() {
		t.Errorf("Size() = %d, want the %d bytes of its frames", m.Size(), wire.Len())
	}
	for wire.Len() > 0 {
		f, err := ws.ReadFrame(&wire)
		if err != nil {
			t.Fatalf("ReadFrame: %v", err)
		}
		if err := ws.CheckHeader(f.Header, ws.StateClientSide); err != nil {
			t.Errorf("CheckHeader: %v", err)
		}
		payloads = append(payloads, f.Payload)
		ops = append(ops, f.Header.OpCode)
	}
	return payloads, ops
}

func TestFramesOfEverySize(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 200_000} {
		payload := bytes.Repeat([]byte{'x'}, size)
		b := NewBuilder(0)
		b.Buf = append(b.Buf, payload...)
		for name, m := range map[string]*Message{
			"Text": Text(payload[:size/2], payload[size/2:]), "Binary": Binary(payload), "Builder": b.Message(),
		} {
			got, ops := decode(t, m)
			wantOp := ws.OpText
			if name == "Binary" {
				wantOp = ws.OpBinary
			}
			if len(got) != 1 || !bytes.Equal(got[0], payload) || ops[0] != wantOp {
				t.Errorf("%s of %d bytes: came back as %d frames, op %v", name, size, len(got), ops)
			}
			if !bytes.Equal(m.Parts()[0].Payload(), payload) {
				t.Errorf("%s of %d bytes: Payload differs", name, size)
			}
		}
	}
}

func TestAttachmentsFollowTheirText(t *testing.T) {
	b := NewBuilder(8)
	b.Buf = append(b.Buf, "text"...)
	m := b.Message([]byte{1}, []byte{2, 3})
	got, ops := decode(t, m)
	want := [][]byte{[]byte("text"), {1}, {2, 3}}
	if len(got) != 3 || ops[0] != ws.OpText || ops[1] != ws.OpBinary || ops[2] != ws.OpBinary {
		t.Fatalf("ops = %v", ops)
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("part %d = %q, want %q", i, got[i], want[i])
		}
	}
}

func TestRawHasNoHeader(t *testing.T) {
	m := Raw([]byte("data: 1\n\n"))
	p := m.Parts()[0]
	if got, _ := io.ReadAll(bytes.NewReader(p.Frame())); string(got) != "data: 1\n\n" || string(p.Payload()) != string(got) {
		t.Errorf("Raw = %q / %q", p.Frame(), p.Payload())
	}
}

// TestOther: the translation is made once and kept, but where the message stands alone.
func TestOther(t *testing.T) {
	for name, m := range map[string]*Message{"one part": Text([]byte("text")), "several": Texts([]byte("a"), []byte("b"))} {
		made := 0
		translate := func(m *Message) *Message { made++; return Binary([]byte("other")) }
		first := m.Other(translate)
		alone := m.Alone()
		if m.Other(translate) != first || made != 1 {
			t.Errorf("%s: it was made %d times", name, made)
		}
		if alone.Other(translate); made != 2 {
			t.Errorf("%s: the message alone has kept it", name)
		}
		if alone.Size() != m.Size() || len(alone.Parts()) != len(m.Parts()) || &alone.Parts()[0].Frame()[0] != &m.Parts()[0].Frame()[0] {
			t.Errorf("%s: the message alone has other bytes", name)
		}
		if none := Text(nil); none.Other(func(*Message) *Message { return nil }) != nil || none.Other(translate) == nil {
			t.Error("that there is no translation was kept")
		}
	}
}
