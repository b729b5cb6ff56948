package socketio

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// patient is a handler that lets a client in when answer has a value for it.
type patient struct {
	functions
	answer chan error
}

func (patient) ConnectWeight() float64 { return app.WeightConnectAsked }

func (h patient) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	select {
	case err := <-h.answer:
		if err != nil {
			return nil, err
		}
	case <-hs.Gone:
		return nil, app.ErrUnavailable
	}
	return h.functions.Connect(p, hs)
}

// TestPatientHandler: what the client does elsewhere does not wait for a CONNECT that takes long.
func TestPatientHandler(t *testing.T) {
	h := patient{answer: make(chan error)}
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{}, "/slow": h})
	c, _ := connect(t, url, "/")
	c.Send("40/slow,", `421["while it waits"]`)
	c.Want(`431["while it waits"]`)
	s.hub.SendSelectionHere(hub.Selection{}, &hub.Message{Namespace: "/slow", Event: "nobody is in"})
	h.answer <- nil
	if got := c.Read(); !strings.HasPrefix(got, `40/slow,{"sid":`) {
		t.Errorf("read %q, want the answer to CONNECT, and nothing of before", got)
	}
	c.Send(`42/slow,2["x"]`)
	c.Want(`43/slow,2["x"]`)
}

// TestUnavailableIsNotRefused: the connection ends, and its client sees no connect error.
func TestUnavailableIsNotRefused(t *testing.T) {
	h := patient{answer: make(chan error)}
	_, url := newTestServer(t, map[string]app.Handler{"/slow": h})
	c := dial(t, url)
	c.Send("40/slow,")
	h.answer <- app.ErrUnavailable
	if got, err := c.TryRead(); err == nil {
		t.Errorf("read %q, want the end of the connection", got)
	} else if code := websocket.CloseStatus(err); code != websocket.StatusNoStatusRcvd {
		t.Errorf("close code %v, want 1005", code)
	}
}

// TestClientGoesWhileItsHandlerWaits: the handler hears of it, and nothing is left of the client.
func TestClientGoesWhileItsHandlerWaits(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	h := patient{answer: make(chan error)}
	h.connect = func(app.Peer, app.Handshake) error { t.Error("the handler went on"); return nil }
	s, url := newTestServer(t, map[string]app.Handler{"/slow": leaving{h, began, ended}})
	c := dial(t, url)
	c.Send("40/slow,")
	receive(t, began)
	c.WS.CloseNow()
	receive(t, ended)
	if n := s.Stats().Sockets; n != 0 {
		t.Errorf("%d sockets, want none", n)
	}
}

// leaving tells when Connect is called, and when it has returned.
type leaving struct {
	patient
	began, ended chan struct{}
}

func (h leaving) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	close(h.began)
	defer close(h.ended)
	return h.patient.Connect(p, hs)
}

// namespaces is a cluster that notes which namespaces are open.
type namespaces struct {
	alone
	mu   sync.Mutex
	open map[string]int
}

func (n *namespaces) add(name string, by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[name] += by
	if k := n.open[name]; k < 0 || k > 1 {
		panic(fmt.Sprintf("%s is open %d times", name, k))
	}
}

func (n *namespaces) Open(name string)  { n.add(name, 1) }
func (n *namespaces) Close(name string) { n.add(name, -1) }

func (n *namespaces) count() (open int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.open {
		open += k
	}
	return open
}

// TestPassingNamespaces: they are there as long as they have clients, and leave nothing behind.
func TestPassingNamespaces(t *testing.T) {
	cluster := &namespaces{open: make(map[string]int)}
	var server *Server
	t.Cleanup(func() { // after the server has shut down
		known := 0
		server.namespaces.Range(func(any, any) bool { known++; return true })
		if n := cluster.count(); n != 0 || known != 0 || len(server.passing.clients) != 0 {
			t.Errorf("%d namespaces are open, %d known, %v counted; want none", n, known, server.passing.clients)
		}
	})
	server, url := newTestServer(t, nil, func(cfg *Config) {
		cfg.Cluster = cluster
		cfg.Others = func(name string) app.Handler {
			if strings.HasPrefix(name, "/shop-") {
				return functions{}
			}
			return nil
		}
	})
	c := dial(t, url)
	c.Send("40/other,")
	c.Want(`44/other,{"message":"Invalid namespace"}`)
	c.Send("40/shop-" + strings.Repeat("x", 300) + ",")
	c.Read()
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for i := range 20 {
				name := fmt.Sprintf("/shop-%d", i%3)
				c := dial(t, url)
				c.Join(name, "")
				c.Send("42" + name + `,1["x"]`)
				c.Want("43" + name + `,1["x"]`)
				c.WS.CloseNow()
			}
		})
	}
	clients.Wait()
}
