package wire

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// inflate reads the frames of m back with other libraries.
func inflate(t *testing.T, m *Message) (payloads []string, compressed []bool) {
	t.Helper()
	var wire bytes.Buffer
	for i := range m.Parts() {
		wire.Write(m.Parts()[i].Frame())
		if p := m.Parts()[i]; len(p.Frame())-len(p.Payload()) != headerBytes(len(p.Payload())) {
			t.Errorf("part %d: payload of %d bytes in a frame of %d", i, len(p.Payload()), len(p.Frame()))
		}
	}
	for wire.Len() > 0 {
		f, err := ws.ReadFrame(&wire)
		if err != nil {
			t.Fatal(err)
		}
		packed := f.Header.Rsv1()
		if packed {
			end := strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")
			if f.Payload, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(f.Payload), end))); err != nil {
				t.Fatal(err)
			}
		}
		payloads, compressed = append(payloads, string(f.Payload)), append(compressed, packed)
	}
	return payloads, compressed
}

func TestDeflated(t *testing.T) {
	noise := make([]byte, 2000)
	rand.Read(noise)
	long := strings.Repeat("signal", 100_000)
	tests := map[string]struct {
		text        string
		attachments []string
		compressed  []bool
	}{
		"short":                   {text: strings.Repeat("x", 99), compressed: []bool{false}},
		"long enough":             {text: strings.Repeat("x", 100), compressed: []bool{true}},
		"long":                    {text: long, compressed: []bool{true}},
		"nothing to gain":         {text: string(noise), compressed: []bool{false}},
		"attachments as the text": {text: "x", attachments: []string{long, string(noise), "y"}, compressed: []bool{false, true, false, false}},
		"many short ones":         {text: strings.Repeat("x", 90), attachments: []string{strings.Repeat("y", 90)}, compressed: []bool{false, false}},
	}
	d := NewDeflater(100)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder(0)
			b.Buf = append(b.Buf, test.text...)
			want := append([]string{test.text}, test.attachments...)
			var attachments [][]byte
			for _, a := range test.attachments {
				attachments = append(attachments, []byte(a))
			}
			m := b.Message(attachments...)
			plain := m.Size()
			form := m.Deflated(d)
			got, compressed := inflate(t, form)
			for i := range want {
				if got[i] != want[i] || compressed[i] != test.compressed[i] {
					t.Errorf("part %d: %.20q compressed: %v, want %.20q, %v", i, got[i], compressed[i], want[i], test.compressed[i])
				}
				if form.Parts()[i].Binary() != (i > 0) {
					t.Errorf("part %d is of the wrong kind", i)
				}
			}
			if form.Size() > plain || m.Size() != plain {
				t.Errorf("%d bytes have become %d, and the message has %d", plain, form.Size(), m.Size())
			}
			count := d.Count()
			if m.Deflated(d) != form || d.Count() != count {
				t.Error("the form was made again")
			}
		})
	}
	if m := Text([]byte(long)).Plain(); m.Deflated(d) != m {
		t.Error("a message that is to be plain was compressed")
	}
	if m := Raw([]byte(long)); m.Deflated(d) != m {
		t.Error("what has no frame was compressed")
	}
}

func BenchmarkDeflated(b *testing.B) {
	d := NewDeflater(1)
	payload := []byte(strings.Repeat(`{"id":123456,"name":"somebody","text":"hello"},`, 87))
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		Text(payload).Deflated(d)
	}
}
