package load

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// progress prints a line now and then, so that nobody wonders whether the run still lives.
type progress struct {
	stop chan struct{}
	done chan struct{}

	// mu guards the following.
	mu       sync.Mutex
	out      io.Writer
	scenario string
	what     string
	count    *atomic.Int64
	total    int64
	shown    int64
}

// newProgress starts the ticker; close ends it.
func newProgress(out io.Writer) *progress {
	p := &progress{stop: make(chan struct{}), done: make(chan struct{}), out: out}
	go p.loop()
	return p
}

// Close ends the ticker and waits for it.
func (p *progress) Close() {
	close(p.stop)
	<-p.done
}

// Phase prints where a scenario is.
func (p *progress) Phase(scenario, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scenario, p.count = scenario, nil
	fmt.Fprintf(p.out, "bench: %s: %s\n", scenario, what)
}

// watch makes the ticker show a counter, from now until the next phase.
func (p *progress) watch(what string, count *atomic.Int64, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.count, p.total, p.shown = what, count, total, -1
}

func (p *progress) loop() {
	defer close(p.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.show()
		}
	}
}

// show prints the counter if it moved.
func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		return
	}
	if n := p.count.Load(); n != p.shown {
		p.shown = n
		fmt.Fprintf(p.out, "bench: %s: %d of %d %s\n", p.scenario, n, p.total, p.what)
	}
}
