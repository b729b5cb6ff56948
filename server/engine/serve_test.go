package engine

import (
	"net"
	"testing"
)

// TestBothSidesCloseAtOnce: the server has said that it closes when the client's close frame is found. The server's own
// frame leaves all the same: it is the answer.
func TestBothSidesCloseAtOnce(t *testing.T) {
	srv := New(Config{}, newApp().accept)
	close(srv.stop) // nobody writes meanwhile
	srv.wg.Wait()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	s := &Session{receiver: nobody{}}
	s.init(srv, s)
	s.attachLocked(theirs)
	s.Close(ReasonForcedClose)
	reason, done := s.settle(&peerClose{closeNormal})
	if reason != ReasonForcedClose || done {
		t.Errorf("settle() = %v, %v, want %v and something left to write", reason, done, ReasonForcedClose)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.empty() || s.bytes != srv.heart.last.Size() {
		t.Errorf("%d bytes are queued, want the close frame's %d", s.bytes, srv.heart.last.Size())
	}
}
