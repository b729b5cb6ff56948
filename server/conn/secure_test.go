//go:build unix

package conn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"signalbox/server/conn/testkit"
	"signalbox/server/listen/certtest"
	"signalbox/server/wire"
)

// slice writes each byte of a beginning by itself, so records arrive in pieces; or keeps all, to write it at once.
type slice struct {
	net.Conn
	left int
	kept *bytes.Buffer
}

func (s *slice) Write(p []byte) (int, error) {
	if s.kept != nil {
		return s.kept.Write(p)
	}
	for i := range p {
		if s.left == 0 {
			n, err := s.Conn.Write(p[i:])
			return i + n, err
		}
		s.left--
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// securePair returns both ends of a connection with TLS, one of which the engine has taken over.
func securePair(t *testing.T, o ListenerOptions) (client *tls.Conn, under *slice, server *secureConn) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(tcp, o)
	defer l.Close()
	nc, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	pair := certtest.New(t)
	under = &slice{Conn: nc}
	client = tls.Client(under, pair.Client())
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }() // awaited below
	secure := tls.Server(accepted, pair.Server(t))
	if err := errors.Join(secure.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	server, ok := bare(secure).(*secureConn)
	if !ok {
		t.Fatal("the connection is not taken over")
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, under, server
}

// TestSecureReaderHoldsNothingWhileItWaits, and misses nothing of records that come in pieces.
func TestSecureReaderHoldsNothingWhileItWaits(t *testing.T) {
	client, under, server := securePair(t, ListenerOptions{WriteTimeout: testkit.Patience})
	r := newReader(taken{nc: server}, 1<<20)
	waits := make(chan bool, 1000) // whether there is a buffer while the reader waits
	attempt := r.attempt
	r.attempt = func(fd uintptr) bool {
		done := attempt(fd)
		if !done {
			waits <- r.buf != nil
		}
		return done
	}
	got := make(chan []byte, 100)
	ended := make(chan error, 1)
	go func() { // awaited below
		for {
			if err := r.fill(); err != nil {
				ended <- err
				return
			}
			got <- bytes.Clone(r.buf[r.start:r.end])
			r.start = r.end
		}
	}()
	want := func(what string, text []byte) {
		t.Helper()
		var all []byte
		for len(all) < len(text) {
			all = append(all, testkit.Receive(t, got, what)...)
		}
		if !bytes.Equal(all, text) {
			t.Errorf("%s: %d bytes arrived that are not the %d sent", what, len(all), len(text))
		}
	}
	if testkit.Receive(t, waits, "wait") {
		t.Error("a buffer is held before anything has come")
	}
	client.Write([]byte("hello"))
	want("a message", []byte("hello"))
	if testkit.Receive(t, waits, "wait") {
		t.Error("a buffer is held after a message")
	}
	under.left = 30
	client.Write([]byte("in pieces"))
	want("a record in pieces", []byte("in pieces"))
	large := bytes.Repeat([]byte("0123456789"), 10_000) // several records, each larger than the buffer
	client.Write(large)
	want("large records", large)
	client.Close()
	if err := testkit.Receive(t, ended, "end"); err != io.EOF {
		t.Errorf("the end is %v, want io.EOF", err)
	}
}

// TestSecureReaderTakesAllRecordsThatAreThere: many clients send each message in a record of its own.
func TestSecureReaderTakesAllRecordsThatAreThere(t *testing.T) {
	client, under, server := securePair(t, ListenerOptions{WriteTimeout: testkit.Patience})
	r := newReader(taken{nc: server}, 1<<20)
	under.kept = new(bytes.Buffer)
	var want []byte
	for i := range 20 {
		record := bytes.Repeat([]byte{byte(i)}, 50)
		if _, err := client.Write(record); err != nil {
			t.Fatal(err)
		}
		want = append(want, record...)
	}
	if _, err := under.Conn.Write(under.kept.Bytes()); err != nil {
		t.Fatal(err)
	}
	under.kept = nil
	if err := r.fill(); err != nil || !bytes.Equal(r.buf[r.start:r.end], want) {
		t.Errorf("%d bytes, error %v, want all %d", r.end-r.start, err, len(want))
	}
}

// TestSecureReaderWakesUp for a deadline, and goes on after it.
func TestSecureReaderWakesUp(t *testing.T) {
	client, _, server := securePair(t, ListenerOptions{WriteTimeout: testkit.Patience})
	r := newReader(taken{nc: server}, 1<<20)
	ended := make(chan error, 1)
	go func() { ended <- r.fill() }() // awaited below
	server.SetReadDeadline(longAgo)
	if err := testkit.Receive(t, ended, "end of the wait"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("fill = %v, want a deadline", err)
	}
	server.SetReadDeadline(time.Time{})
	client.Write([]byte("hello"))
	if err := r.fill(); err != nil || string(r.buf[r.start:r.end]) != "hello" {
		t.Errorf("fill = %v, %q", err, r.buf[r.start:r.end])
	}
}

// TestSecureWritesDoNotWait for a client that does not read, and all arrives when it does.
func TestSecureWritesDoNotWait(t *testing.T) {
	client, _, server := securePair(t, ListenerOptions{WriteTimeout: testkit.Patience})
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	written, blocked := 0, false
	for !blocked {
		n, full, err := server.tryWrite(text[written:])
		if err != nil || n == 0 || n > scratchBytes {
			t.Fatalf("tryWrite = %d, %v", n, err)
		}
		written, blocked = written+n, full
	}
	done := make(chan error, 1)
	go func() { // awaited below
		if err := server.drain(); err != nil {
			done <- err
			return
		}
		_, err := server.Write(text[written:])
		server.Close()
		done <- err
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d of %d bytes arrived, or others: %v", len(got), len(text), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSecureWriteTimeout(t *testing.T) {
	_, _, server := securePair(t, ListenerOptions{WriteTimeout: 20 * time.Millisecond})
	if _, err := server.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write to a client that does not read = %v, want a deadline", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- server.Close() }() // awaited here
	testkit.Receive(t, closed, "end of Close, which says no good-bye")
}

// TestSecureConn is delivered to by a flusher, slow and fast.
func TestSecureConn(t *testing.T) {
	s := New(Config{})
	defer s.Shutdown(t.Context())
	client, _, server := securePair(t, ListenerOptions{WriteTimeout: testkit.Patience})
	c := new(Conn)
	c.init(s, new(streamOwner), "", 1)
	c.attachLocked(server, false)
	frame := bytes.Repeat([]byte("x"), 200<<10)
	for range 15 {
		if err := c.Send(wire.Raw(frame), false); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 15*len(frame))
	if n, err := io.ReadFull(client, got); err != nil {
		t.Fatalf("%d bytes arrived: %v", n, err)
	}
	testkit.Until(t, "empty outbox", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.bytes == 0 && !c.writing
	})
}

// TestAbortedConnectionsAreReset: what a client does not read is given up with its connection.
func TestAbortedConnectionsAreReset(t *testing.T) {
	var nc net.Conn = ownConn{}
	if _, ok := nc.(interface{ SetLinger(int) error }); !ok {
		t.Error("a connection of the engine cannot be reset")
	}
	if _, ok := net.Conn(new(secureConn)).(interface{ SetLinger(int) error }); !ok {
		t.Error("a connection with TLS cannot be reset")
	}
}
