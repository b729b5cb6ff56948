package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// maxLineBytes bounds what a server may make the generator buffer of one line of a stream.
const maxLineBytes = 1 << 20

// streamClient reads Server-Sent Events. It calls back with the data of every event, one line of it at a time: what the
// server sends in these scenarios has no line breaks.
//
// Rule: [event stream format].
//
// [event stream format]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
type streamClient struct {
	// Static after construction.
	conn  net.Conn
	clock Clock
	on    Callbacks
	ended chan struct{}

	// Owned by the dialer, then by readLoop.
	buf  []byte
	r, w int
}

// dialStream opens a stream. The client does not read on until start.
func dialStream(ctx context.Context, t Target, clk Clock, opts Options, on Callbacks) (*streamClient, error) {
	conn, err := t.dial(ctx, opts.RecvBytes)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := &streamClient{conn: conn, clock: clk, on: on, ended: make(chan struct{}), buf: make([]byte, max(opts.BufBytes, 1024))}
	if err := c.open(t, opts); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// open sends the request and reads the head of the answer.
func (c *streamClient) open(t Target, opts Options) error {
	if err := c.conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	uri, auth := "/events", ""
	if opts.Door == Watch {
		uri, auth = "/events/room/"+opts.Room, "Authorization: Bearer "+opts.Token+"\r\n"
	}
	if _, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n%s\r\n", uri, t.host, auth); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, err := c.line()
		if err != nil {
			return fmt.Errorf("stream: %w", err)
		}
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("stream: %.80s", line)
		case bytes.EqualFold(line, []byte("Transfer-Encoding: chunked")):
			return errors.New("stream: chunked, which the generator does not read")
		case len(line) == 0:
			return c.conn.SetDeadline(time.Time{})
		}
	}
}

// next returns the next whole line in the buffer, without its end; ok is false when it takes more reading.
func (c *streamClient) next() (line []byte, ok bool) {
	n := bytes.IndexByte(c.buf[c.r:c.w], '\n')
	if n < 0 {
		return nil, false
	}
	line = bytes.TrimSuffix(c.buf[c.r:c.r+n], []byte{'\r'})
	c.r += n + 1
	return line, true
}

// fill reads once from the connection, behind what is buffered.
func (c *streamClient) fill() error {
	c.w = copy(c.buf, c.buf[c.r:c.w])
	c.r = 0
	if c.w == len(c.buf) {
		if c.w >= maxLineBytes {
			return errors.New("line too long")
		}
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	n, err := c.conn.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// line waits for the next line; it is valid until the next call.
func (c *streamClient) line() ([]byte, error) {
	for {
		if line, ok := c.next(); ok {
			return line, nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// Start begins to read on a goroutine of the client's own; done tells its end.
func (c *streamClient) Start() { go c.readLoop() }

// readLoop reads until the connection ends.
func (c *streamClient) readLoop() {
	defer close(c.ended)
	err := c.read()
	c.conn.Close()
	if c.on.End != nil {
		c.on.End(err)
	}
}

// read calls back for all data that arrives and returns why it stopped.
func (c *streamClient) read() error {
	at := c.clock.Now()
	for {
		for {
			line, ok := c.next()
			if !ok {
				break
			}
			if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				c.on.text(at, bytes.TrimPrefix(data, []byte{' '}))
			}
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				return ErrServerClose
			}
			return err
		}
		at = c.clock.Now()
	}
}

func (c *streamClient) Send([]byte) error { return errReadOnly }

func (c *streamClient) SocketID() string { return "" }

// Leave closes the connection: a stream has no goodbye.
func (c *streamClient) Leave() { c.Cut() }

func (c *streamClient) Cut() { c.conn.Close() }

func (c *streamClient) Done() <-chan struct{} { return c.ended }
