// Package testkit is a client for tests of Socket.IO. It knows nothing of the server's packages, so all of them can use it.
package testkit

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Patience is how long a test waits for something that has to come.
const Patience = 10 * time.Second

// Client is a websocket that speaks packets as text: what a JavaScript client would send and see.
type Client struct {
	T  testing.TB
	WS *websocket.Conn
	// Pongs has heartbeats answered, and not shown.
	Pongs bool
}

// Dial opens a connection, which ends with the test. query is what else stands in the request's query, such as "&lang=de".
func Dial(t testing.TB, url, query string) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket"+query, nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	ws.SetReadLimit(1 << 24)
	t.Cleanup(func() { ws.CloseNow() })
	c := &Client{T: t, WS: ws}
	if open := c.Read(); open[0] != '0' {
		t.Fatalf("first packet = %q, want open", open)
	}
	return c
}

// Join connects a namespace and returns the socket's id. auth is JSON, or "".
func (c *Client) Join(namespace, auth string) (sid string) {
	c.T.Helper()
	head := "40"
	if namespace != "/" {
		head += namespace + ","
	}
	c.Send(head + auth)
	got := c.Read()
	payload, ok := strings.CutPrefix(got, head)
	var answer struct{ Sid string }
	if !ok || json.Unmarshal([]byte(payload), &answer) != nil || len(answer.Sid) < 20 {
		c.T.Fatalf("answer to %q = %q", head, got)
	}
	return answer.Sid
}

// TrySend sends a packet, and reports whether it could.
func (c *Client) TrySend(packet string) bool {
	return c.write(websocket.MessageText, []byte(packet)) == nil
}

func (c *Client) write(kind websocket.MessageType, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return c.WS.Write(ctx, kind, data)
}

// Send sends packets.
func (c *Client) Send(packets ...string) {
	c.T.Helper()
	for _, p := range packets {
		if err := c.write(websocket.MessageText, []byte(p)); err != nil {
			c.T.Fatalf("send %.60q: %v", p, err)
		}
	}
}

// SendBinary sends a binary frame.
func (c *Client) SendBinary(data []byte) {
	c.T.Helper()
	if err := c.write(websocket.MessageBinary, data); err != nil {
		c.T.Fatalf("send binary: %v", err)
	}
}

// Read returns the next message; a binary one with "b" before it.
func (c *Client) Read() string {
	c.T.Helper()
	got, err := c.TryRead()
	if err != nil {
		c.T.Fatalf("read: %v", err)
	}
	return got
}

// TryRead is Read, and fails where the connection has ended.
func (c *Client) TryRead() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	kind, data, err := c.WS.Read(ctx)
	switch {
	case err != nil:
		return "", err
	case kind == websocket.MessageBinary:
		return "b" + string(data), nil
	case c.Pongs && string(data) == "2":
		c.TrySend("3")
		return c.TryRead()
	}
	return string(data), nil
}

// Want fails unless these packets come next.
func (c *Client) Want(packets ...string) {
	c.T.Helper()
	for _, want := range packets {
		if got := c.Read(); got != want {
			c.T.Fatalf("read %.300q, want %.300q", got, want)
		}
	}
}

// WantClosed reads until the server closes, and returns the close code.
func (c *Client) WantClosed() websocket.StatusCode {
	c.T.Helper()
	for {
		if _, err := c.TryRead(); err != nil {
			code := websocket.CloseStatus(err)
			if code == -1 {
				c.T.Errorf("the connection ended without a close frame: %v", err)
			}
			return code
		}
	}
}

// Cut ends the connection as a network does.
func (c *Client) Cut() { c.WS.CloseNow() }
