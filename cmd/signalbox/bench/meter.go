package bench

import (
	"context"
	"time"
)

// meter measures one stretch of work: wall time and, with a process, the server's processor time.
type meter struct {
	proc *process
	at   time.Time
	cpu  time.Duration

	wall, spent time.Duration // sums of all stretches
}

// begin starts a stretch.
func (m *meter) begin() error {
	if m.proc != nil {
		cpu, err := m.proc.cpu()
		if err != nil {
			return err
		}
		m.cpu = cpu
	}
	m.at = time.Now()
	return nil
}

// end ends the stretch. idle is how long at its end nothing arrived any more: it does not count as wall time.
func (m *meter) end(idle time.Duration) error {
	m.wall += time.Since(m.at) - idle
	if m.proc == nil {
		return nil
	}
	cpu, err := m.proc.cpu()
	m.spent += cpu - m.cpu
	return err
}

// fill writes what was measured into a result with its units set.
func (m *meter) fill(r *Result) {
	r.Seconds = m.wall.Seconds()
	if m.wall > 0 {
		r.Rate = float64(r.Units) / m.wall.Seconds()
	}
	if m.proc != nil {
		r.CPUSeconds = m.spent.Seconds()
		if r.Units > 0 {
			r.CPUPerUnit = micros(m.spent) / float64(r.Units)
		}
	}
}

// calm waits until the server has been idle for a moment, at most limit: what it still does for the clients of the
// scenario before must not be counted again. Without a process it returns at once.
func calm(ctx context.Context, p *process, limit time.Duration) error {
	if p == nil {
		return ctx.Err()
	}
	const step, enough = 100 * time.Millisecond, 3
	deadline := time.Now().Add(limit)
	last, err := p.cpu()
	for quiet := 0; err == nil && quiet < enough && time.Now().Before(deadline); {
		if err := pause(ctx, step); err != nil {
			return err
		}
		var cpu time.Duration
		cpu, err = p.cpu()
		if quiet++; cpu-last > step/33 {
			quiet = 0
		}
		last = cpu
	}
	return err
}

// pause waits for d or the end of ctx, whichever comes first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
