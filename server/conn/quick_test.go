package conn

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// What a quick connection writes arrives whole, also when the reader is so slow that the kernel takes it in pieces.
func TestQuickConnectionsWriteEverything(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	quick := Listen(l, ListenerOptions{WriteTimeout: time.Minute})
	defer quick.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := quick.Accept()
	if err != nil {
		t.Fatal(err)
	}
	payload := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // far more than the kernel keeps
	wrote := make(chan error, 1)
	go func() {
		n, err := nc.Write(payload)
		if err == nil && n != len(payload) {
			err = io.ErrShortWrite
		}
		nc.Close()
		wrote <- err
	}()
	got, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Errorf("Write: %v", err)
	}
	if !bytes.Equal(got, payload) {
		t.Errorf("%d of %d bytes arrived, or others than were sent", len(got), len(payload))
	}
	if _, err := nc.Write([]byte("x")); err == nil {
		t.Error("writing to a closed connection succeeded")
	}
}

func TestQuickConnectionsThatNobodyReads(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	quick := Listen(l, ListenerOptions{WriteTimeout: 20 * time.Millisecond})
	defer quick.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := quick.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	n, err := nc.Write(make([]byte, 64<<20)) // the client reads nothing
	if ne, ok := err.(net.Error); !ok || !ne.Timeout() || n == 0 {
		t.Errorf("Write = %d, %v, want a part of it and a timeout", n, err)
	}
	if _, err := io.Copy(nc, bytes.NewReader(make([]byte, 64<<20))); err == nil {
		t.Error("a copy to a connection that nobody reads succeeded")
	}
}

func TestConnectionsThatAreNotTCPStayAsTheyAre(t *testing.T) {
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	if bare(one) != one {
		t.Error("a pipe was unwrapped")
	}
}
