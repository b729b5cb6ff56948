package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
)

// caller is a Socket.IO client on "/" over either transport, which may change from one to the other. What it gets is
// handed to heard, in order and one at a time.
type caller struct {
	// Static after construction.
	url   string
	heard func(packet string, attachments [][]byte)
	http  *http.Client
	ctx   context.Context
	hang  context.CancelFunc
	sid   string

	left   atomic.Bool // what fails from here on fails as it should
	failed chan error

	mu sync.Mutex // one message at a time
	ws *websocket.Conn

	reading sync.WaitGroup
	pause   atomic.Bool
	paused  chan struct{} // closed when the last poll has ended

	// Owned by whoever reads.
	text        string
	missing     int
	attachments [][]byte
}

var errEnded = errors.New("the server ended the connection")

// call opens a connection and connects "/", of which the answer goes to heard.
func call(ctx context.Context, url, transport string, heard func(string, [][]byte)) (*caller, error) {
	c := &caller{url: url, heard: heard, http: &http.Client{Transport: new(http.Transport)},
		failed: make(chan error, 1), paused: make(chan struct{})}
	c.ctx, c.hang = context.WithCancel(ctx)
	var open string
	var err error
	if transport == "websocket" {
		if c.ws, err = c.dial(); err == nil {
			open, _, err = c.next(c.ws)
		}
	} else {
		open, err = c.request(http.MethodGet, "")
	}
	var fields struct{ SID string }
	if err == nil {
		err = json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &fields)
	}
	if err != nil {
		c.leave()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	c.sid = fields.SID
	if c.ws != nil {
		c.reading.Go(func() { c.end(c.readSocket(c.ws)) }) // awaited by leave
	} else {
		c.reading.Go(c.poll) // awaited by leave
	}
	return c, c.send("0")
}

func (c *caller) query(transport string) string {
	query := c.url + "/socket.io/?EIO=4&transport=" + transport
	if c.sid != "" {
		query += "&sid=" + c.sid
	}
	return query
}

func (c *caller) dial() (*websocket.Conn, error) {
	ws, _, err := websocket.Dial(c.ctx, c.query("websocket"), nil)
	if err == nil {
		ws.SetReadLimit(1 << 24)
	}
	return ws, err
}

func (c *caller) request(method, body string) (string, error) {
	req, err := http.NewRequestWithContext(c.ctx, method, c.query("polling"), strings.NewReader(body))
	if err != nil {
		return "", err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", method, res.StatusCode, got)
	}
	return string(got), err
}

// send sends one Socket.IO packet and its attachments.
func (c *caller) send(packet string, attachments ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws == nil {
		body := "4" + packet
		for _, a := range attachments {
			body += "\x1eb" + base64.StdEncoding.EncodeToString(a)
		}
		_, err := c.request(http.MethodPost, body)
		return err
	}
	err := c.ws.Write(c.ctx, websocket.MessageText, []byte("4"+packet))
	for _, a := range attachments {
		if err == nil {
			err = c.ws.Write(c.ctx, websocket.MessageBinary, a)
		}
	}
	return err
}

// raw sends an Engine.IO packet.
func (c *caller) raw(packet string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil {
		return c.ws.Write(c.ctx, websocket.MessageText, []byte(packet))
	}
	_, err := c.request(http.MethodPost, packet)
	return err
}

// poll is the reader of a connection that polls.
func (c *caller) poll() {
	defer close(c.paused)
	for !c.pause.Load() {
		body, err := c.request(http.MethodGet, "")
		for packet := range strings.SplitSeq(body, "\x1e") {
			if err == nil {
				err = c.packet(packet)
			}
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// upgrade goes on by websocket.
func (c *caller) upgrade() error {
	ws, err := c.dial()
	if err != nil {
		return err
	}
	err = ws.Write(c.ctx, websocket.MessageText, []byte("2probe"))
	if err == nil {
		_, _, err = c.next(ws) // 3probe: nothing else comes before the upgrade
	}
	if err == nil {
		c.pause.Store(true)
		<-c.paused
		c.mu.Lock()
		defer c.mu.Unlock()
		err = ws.Write(c.ctx, websocket.MessageText, []byte("5"))
	}
	if err != nil {
		ws.CloseNow()
		return err
	}
	c.ws = ws
	c.reading.Go(func() { c.end(c.readSocket(ws)) }) // awaited by leave
	return nil
}

func (c *caller) next(ws *websocket.Conn) (string, bool, error) {
	kind, data, err := ws.Read(c.ctx)
	return string(data), kind == websocket.MessageBinary, err
}

func (c *caller) readSocket(ws *websocket.Conn) error {
	for {
		data, binary, err := c.next(ws)
		switch {
		case err != nil:
			return err
		case binary:
			err = c.attachment([]byte(data))
		default:
			err = c.packet(data)
		}
		if err != nil {
			return err
		}
	}
}

// packet takes an Engine.IO packet.
func (c *caller) packet(p string) error {
	switch {
	case p == "1":
		return errEnded
	case p == "2":
		return c.raw("3")
	case p == "6":
		return nil
	case strings.HasPrefix(p, "b"):
		data, err := base64.StdEncoding.DecodeString(p[1:])
		if err != nil {
			return err
		}
		return c.attachment(data)
	case !strings.HasPrefix(p, "4"), c.missing > 0:
		return fmt.Errorf("packet %.40q with %d attachments to come", p, c.missing)
	}
	if head, _, ok := strings.Cut(p, "-"); ok && (strings.HasPrefix(p, "45") || strings.HasPrefix(p, "46")) {
		n, err := strconv.Atoi(head[2:])
		c.text, c.missing, c.attachments = p[1:], n, nil
		return err
	}
	c.heard(p[1:], nil)
	return nil
}

func (c *caller) attachment(data []byte) error {
	if c.missing == 0 {
		return errors.New("an attachment of nothing")
	}
	c.attachments = append(c.attachments, data)
	if c.missing--; c.missing == 0 {
		c.heard(c.text, c.attachments)
	}
	return nil
}

// end keeps the first error of a connection that was not to end.
func (c *caller) end(err error) {
	if err != nil && !c.left.Load() {
		select {
		case c.failed <- err:
		default:
		}
	}
}

// leave cuts the connection, whatever it is at, and returns when nothing of it is left on this side.
func (c *caller) leave() {
	c.left.Store(true)
	c.hang()
	c.mu.Lock()
	if c.ws != nil {
		c.ws.CloseNow()
	}
	c.mu.Unlock()
	c.reading.Wait()
	c.http.CloseIdleConnections()
}
