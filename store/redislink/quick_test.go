package redislink

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// tcpPair returns both ends of a TCP connection, the first of them quick.
func tcpPair(t *testing.T) (fast net.Conn, other *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); accepted.Close() })
	return quick(conn), accepted.(*net.TCPConn)
}

// TestQuickConnCarriesMoreThanTheKernelTakes sends both ways at once, much more than fits the kernel's buffers.
func TestQuickConnCarriesMoreThanTheKernelTakes(t *testing.T) {
	fast, other := tcpPair(t)
	sent := make([]byte, 16<<20)
	for i := range sent {
		sent[i] = byte(i * 7 / 3)
	}
	faults := make(chan error, 2)
	go func() { // awaited below
		n, err := fast.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		faults <- err
	}()
	go func() { // awaited below
		_, err := io.CopyN(other, other, int64(len(sent))) // an echo
		faults <- err
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(fast, got); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-faults; err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, sent) {
		t.Error("what came back is not what was sent")
	}
}

func TestQuickConnEnds(t *testing.T) {
	t.Run("the other side is done", func(t *testing.T) {
		fast, other := tcpPair(t)
		if err := other.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := fast.Read(make([]byte, 8)); n != 0 || err != io.EOF {
			t.Errorf("Read = %d, %v, want io.EOF", n, err)
		}
	})
	t.Run("the other side is gone", func(t *testing.T) {
		fast, other := tcpPair(t)
		if err := other.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		other.Close()
		_, err := fast.Read(make([]byte, 8))
		if !isEnd(err) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read = %v, want a reset", err)
		}
		for err = nil; err == nil; {
			_, err = fast.Write([]byte("x"))
		}
		if !isEnd(err) {
			t.Errorf("Write = %v, want the end of the connection", err)
		}
	})
	t.Run("closed while it reads", func(t *testing.T) {
		fast, _ := tcpPair(t)
		read := make(chan error)
		go func() { // awaited below
			_, err := fast.Read(make([]byte, 8))
			read <- err
		}()
		fast.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read = %v, want %v", err, net.ErrClosed)
		}
		if _, err := fast.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write = %v, want %v", err, net.ErrClosed)
		}
	})
	t.Run("deadlines", func(t *testing.T) {
		fast, other := tcpPair(t)
		if err := fast.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := fast.Read(make([]byte, 8)); !isTimeout(err) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read = %v, want a timeout", err)
		}
		n, err := fast.Write(make([]byte, 64<<20)) // nobody reads
		if !isTimeout(err) || n >= 64<<20 {
			t.Errorf("Write = %d, %v, want a timeout", n, err)
		}
		if err := fast.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Write([]byte("again")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 8)
		if n, err := fast.Read(got); string(got[:n]) != "again" || err != nil {
			t.Errorf("Read = %q, %v", got[:n], err)
		}
	})
}

func TestOnlyTCPIsQuick(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if quick(a) != a {
		t.Error("a pipe was wrapped")
	}
}
