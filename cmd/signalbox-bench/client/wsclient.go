package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" // RFC 6455 section 4.2.2 asks for it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// handshakeTimeout bounds one connect, from the TCP connect to the namespace.
const handshakeTimeout = 20 * time.Second

// wsClient is a client over websocket only: of Socket.IO, or plain. Reading takes whatever the kernel has and calls back for every
// packet in it with one reading of the clock.
type wsClient struct {
	// Static after construction.
	conn  net.Conn
	clock Clock
	on    Callbacks
	door  Door
	name  string // of the namespace, "" for "/"
	sid   string
	key   uint32
	ended chan struct{}

	// Owned by the dialer, then by readLoop.
	buf     []byte
	r, w    int
	partial []byte // payload of the fragments so far

	// mu guards the following.
	mu  sync.Mutex
	out []byte
}

// dialWebSocket connects to the server and to the namespace of the door. The client does not read until start.
func dialWebSocket(ctx context.Context, t Target, clk Clock, opts Options, on Callbacks) (*wsClient, error) {
	conn, err := t.dial(ctx, opts.RecvBytes)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := &wsClient{conn: conn, clock: clk, on: on, door: opts.Door, name: opts.Namespace, ended: make(chan struct{}), buf: make([]byte, max(opts.BufBytes, 1024))}
	if opts.Door == Chat {
		c.name = "/chat"
	}
	if err := c.connect(t, opts); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// namespace returns what stands before the data of a packet.
func (c *wsClient) namespace() string {
	if c.name == "" {
		return ""
	}
	return c.name + ","
}

// plain reports whether the client speaks no Socket.IO.
func (c *wsClient) plain() bool { return c.door == Text || c.door == Tap }

// connect carries out the upgrade, and the CONNECT exchange where there is one.
func (c *wsClient) connect(t Target, opts Options) error {
	token, back := opts.Token, opts.Return
	if err := c.conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	var nonce [20]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return err
	}
	c.key = binary.LittleEndian.Uint32(nonce[16:])
	wsKey := base64.StdEncoding.EncodeToString(nonce[:16])
	uri := t.path + "?EIO=4&transport=websocket"
	switch c.door {
	case Text:
		uri = "/ws"
	case Tap:
		uri = "/tap"
	}
	_, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", uri, t.host, wsKey)
	if err != nil {
		return err
	}
	if err := c.readUpgrade(wsKey); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if c.door == Tap {
		return c.conn.SetDeadline(time.Time{})
	}
	open, err := c.readPacket()
	if err == nil && c.door == Text {
		if c.sid, err = StringAfter(open, []byte(`"clientId":"`)); err != nil {
			return fmt.Errorf("greeting: %w", err)
		}
		return c.conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return fmt.Errorf("open packet: %w", err)
	}
	if !bytes.HasPrefix(open, []byte("0{")) {
		return fmt.Errorf("open packet is %.40q", open)
	}
	hello := "40" + c.namespace()
	var auth []string
	if token != "" {
		auth = append(auth, `"token":"`+token+`"`)
	}
	if opts.Key != "" {
		auth = append(auth, `"key":"`+opts.Key+`"`)
	}
	if back != nil && back.PID != "" {
		auth = append(auth, `"pid":"`+back.PID+`"`)
		if back.Offset != "" {
			auth = append(auth, `"offset":"`+back.Offset+`"`)
		}
	}
	if len(auth) > 0 {
		hello += "{" + strings.Join(auth, ",") + "}"
	}
	if err := c.Send([]byte(hello)); err != nil {
		return err
	}
	var missed [][]byte // come before the answer
	for {
		p, err := c.readPacket()
		if err != nil {
			return fmt.Errorf("answer to CONNECT: %w", err)
		}
		if len(p) > 0 && p[0] == '2' {
			if err := c.Send([]byte("3")); err != nil {
				return err
			}
			continue
		}
		if back != nil && bytes.HasPrefix(p, []byte("42")) {
			missed = append(missed, bytes.Clone(p))
			continue
		}
		if c.sid, err = connectedID(p, c.namespace()); err != nil {
			return err
		}
		if back != nil {
			pid, _ := StringAfter(p, []byte(`"pid":"`)) // a server without recovery gives none
			back.Recovered = pid != "" && pid == back.PID
			back.PID = pid
			for _, event := range missed {
				if _, err := c.on.packet(c.clock.Now(), event); err != nil {
					return err
				}
			}
		}
		return c.conn.SetDeadline(time.Time{})
	}
}

// readUpgrade reads the 101 answer and checks it (RFC 6455 section 4.1).
func (c *wsClient) readUpgrade(wsKey string) error {
	end := -1
	for end < 0 {
		if c.w == len(c.buf) {
			if len(c.buf) >= 64<<10 {
				return errors.New("header too long")
			}
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
		if err := c.fill(); err != nil {
			return err
		}
		end = bytes.Index(c.buf[:c.w], []byte("\r\n\r\n"))
	}
	head := c.buf[:end+2]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("%.200s", c.buf[:c.w])
	}
	sum := sha1.Sum([]byte(wsKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if !bytes.Contains(head, []byte(" "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n")) {
		return errors.New("wrong Sec-WebSocket-Accept")
	}
	c.r = end + 4
	return nil
}

// readPacket returns the next data packet during the handshake; it is valid until the next call.
func (c *wsClient) readPacket() ([]byte, error) {
	for {
		p, ok, err := c.next()
		if err != nil || ok {
			return p, err
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads once from the connection, behind what is buffered.
func (c *wsClient) fill() error {
	n, err := c.conn.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// next takes the next whole message out of the buffer; ok is false when it takes more reading. Control frames are
// handled on the way.
func (c *wsClient) next() (p []byte, ok bool, err error) {
	for {
		f, size, done, err := parseFrame(c.buf[c.r:c.w])
		if err != nil {
			return nil, false, err
		}
		if !done {
			c.makeRoom(size)
			return nil, false, nil
		}
		c.r += size
		switch f.op {
		case OpText, opBinary, opContinuation:
			if f.fin && len(c.partial) == 0 {
				if f.op == opBinary {
					continue // an attachment: the generator sends none and expects none
				}
				return f.payload, true, nil
			}
			if len(c.partial)+len(f.payload) > maxFrameBytes {
				return nil, false, fmt.Errorf("%w: message too long", errFrame)
			}
			c.partial = append(c.partial, f.payload...)
			if f.fin {
				p, c.partial = c.partial, nil
				return p, true, nil
			}
		case opPing:
			if err := c.write(opPong, f.payload); err != nil {
				return nil, false, err
			}
		case opClose:
			return nil, false, ErrServerClose
		case opPong:
		default:
			return nil, false, fmt.Errorf("%w: opcode %d", errFrame, f.op)
		}
	}
}

// makeRoom prepares the buffer for a frame of size bytes that starts at c.r.
func (c *wsClient) makeRoom(size int) {
	to := c.buf
	if size > len(to) {
		to = make([]byte, max(size, 2*len(to)))
	}
	// Always to the front: a rest at the end of the buffer would make the next read a tiny one.
	c.w = copy(to, c.buf[c.r:c.w])
	c.buf, c.r = to, 0
}

// Start begins to read on a goroutine of the client's own; done tells its end.
func (c *wsClient) Start() { go c.readLoop() }

// readLoop reads until the connection ends.
func (c *wsClient) readLoop() {
	defer close(c.ended)
	err := c.read()
	c.conn.Close()
	if c.on.End != nil {
		c.on.End(err)
	}
}

// read calls back for everything that arrives and returns why it stopped.
func (c *wsClient) read() error {
	at := c.clock.Now()
	for {
		for {
			p, ok, err := c.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if c.plain() {
				c.on.text(at, p)
				continue
			}
			pong, err := c.on.packet(at, p)
			if err != nil {
				return err
			}
			if pong {
				if err := c.Send([]byte("3")); err != nil {
					return err
				}
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

func (c *wsClient) Send(packet []byte) error { return c.write(OpText, packet) }

// write sends one frame with one system call.
func (c *wsClient) write(op byte, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = appendFrame(c.out[:0], op, c.key, payload)
	_, err := c.conn.Write(c.out)
	if cap(c.out) > 4<<10 {
		c.out = nil
	}
	return err
}

func (c *wsClient) SocketID() string { return c.sid }

// Leave sends DISCONNECT and a close frame, as a client that is closed by its program.
func (c *wsClient) Leave() {
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if c.plain() || c.Send([]byte("41"+c.namespace())) == nil {
		_ = c.write(opClose, nil)
	}
	c.Cut()
}

func (c *wsClient) Cut() { c.conn.Close() }

func (c *wsClient) Done() <-chan struct{} { return c.ended }
