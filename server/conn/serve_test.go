package conn

import (
	"net"
	"testing"
)

// TestBothSidesCloseAtOnce: the server has said that it closes when the client's close frame is found. The server's own
// frame leaves all the same: it is the answer.
func TestBothSidesCloseAtOnce(t *testing.T) {
	srv := New(Config{})
	close(srv.stop) // nobody writes meanwhile
	srv.wg.Wait()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	ws := &WebSocket{receiver: Nobody{}}
	c := &ws.c
	c.init(srv, (*webSocketOwner)(ws), "", 1)
	c.attachLocked(theirs, false)
	ws.Close(ReasonForcedClose)
	reason, done := c.settle(&clientClose{closeNormal})
	if reason != ReasonForcedClose || done {
		t.Errorf("settle() = %v, %v, want %v and something left to write", reason, done, ReasonForcedClose)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.empty() || c.bytes != CloseFrame(closeNormal, "").Size() {
		t.Errorf("%d bytes are queued, want the close frame's %d", c.bytes, CloseFrame(closeNormal, "").Size())
	}
}
