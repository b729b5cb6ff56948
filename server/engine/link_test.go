package engine

import (
	"net/http"
	"testing"

	"signalbox/server/wire"
)

// TestFlushLetsRepliesLeave: what a receiver has answered reaches the client while the receiver is still busy.
func TestFlushLetsRepliesLeave(t *testing.T) {
	a, release := newApp(), make(chan struct{})
	a.text = func(s *Session, _ []byte) error {
		err := s.Reply(wire.Text([]byte("4early")))
		s.Flush()
		<-release
		return err
	}
	s := start(t, Config{}, a)
	t.Run("websocket", func(t *testing.T) {
		c := s.connect(t)
		write(t, c, "4")
		if got := read(t, c); got != "4early" {
			t.Errorf("got %q", got)
		}
		release <- struct{}{}
	})
	t.Run("polling", func(t *testing.T) {
		p := s.poller(t)
		posted := make(chan int)
		go func() { // awaited below
			res, _ := p.do(http.MethodPost, "4", "")
			posted <- res.StatusCode
		}()
		if _, got := p.do(http.MethodGet, "", ""); got != "4early" {
			t.Errorf("got %q", got)
		}
		release <- struct{}{}
		if got := <-posted; got != http.StatusOK {
			t.Errorf("the post was answered with %d", got)
		}
	})
}
