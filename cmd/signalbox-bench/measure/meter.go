package measure

import (
	"context"
	"time"

	"signalbox/cmd/signalbox-bench/machine"
)

// Processes are those whose processor time is measured: the servers, and what they work with behind them. There may be none.
type Processes struct {
	All     []*machine.Process
	Servers int // so many of them, the first ones, are servers
}

// Watched returns a process whose processor time is measured, or none where the system does not tell.
func Watched(pid int) Processes {
	p, err := machine.OpenProcess(pid)
	if err != nil {
		return Processes{}
	}
	return Processes{[]*machine.Process{p}, 1}
}

// cpu returns what each of them has spent.
func (ps Processes) cpu() ([]time.Duration, error) {
	spent := make([]time.Duration, len(ps.All))
	for i, p := range ps.All {
		var err error
		if spent[i], err = p.CPU(); err != nil {
			return nil, err
		}
	}
	return spent, nil
}

// sum returns what all of them have spent.
func (ps Processes) sum() (time.Duration, error) {
	spent, err := ps.cpu()
	var sum time.Duration
	for _, cpu := range spent {
		sum += cpu
	}
	return sum, err
}

// Meter measures one stretch of work: wall time and the processor time of processes.
type Meter struct {
	Procs Processes
	At    time.Time
	cpu   []time.Duration

	wall  time.Duration // sums of all stretches
	spent []time.Duration
}

// Begin starts a stretch.
func (m *Meter) Begin() error {
	var err error
	m.cpu, err = m.Procs.cpu()
	m.At = time.Now()
	return err
}

// End ends the stretch. idle is how long at its end nothing arrived any more: it does not count as wall time.
func (m *Meter) End(idle time.Duration) error {
	m.wall += time.Since(m.At) - idle
	cpu, err := m.Procs.cpu()
	if err != nil {
		return err
	}
	if m.spent == nil {
		m.spent = make([]time.Duration, len(cpu))
	}
	for i := range cpu {
		m.spent[i] += cpu[i] - m.cpu[i]
	}
	return nil
}

// Total returns the processor time of all stretches and all processes, in microseconds.
func (m *Meter) Total() float64 {
	var sum time.Duration
	for _, spent := range m.spent {
		sum += spent
	}
	return micros(sum)
}

// Fill writes what was measured into a result with its units set.
func (m *Meter) Fill(r *Result) {
	r.Seconds = m.wall.Seconds()
	if m.wall > 0 {
		r.Rate = float64(r.Units) / m.wall.Seconds()
	}
	var servers time.Duration
	for i, spent := range m.spent {
		if i < m.Procs.Servers {
			servers += spent
		}
		if r.Units > 0 && len(m.spent) > 1 {
			r.CPUEach = append(r.CPUEach, micros(spent)/float64(r.Units))
		}
	}
	r.CPUSeconds = servers.Seconds()
	if r.Units > 0 {
		r.CPUPerUnit = micros(servers) / float64(r.Units)
	}
}

// Calm waits until all processes have been idle for a moment, at most limit: what they still do for the clients of the
// scenario before must not be counted again. Without a process it returns at once.
func Calm(ctx context.Context, ps Processes, limit time.Duration) error {
	if len(ps.All) == 0 {
		return ctx.Err()
	}
	const step, enough = 100 * time.Millisecond, 3
	deadline := time.Now().Add(limit)
	last, err := ps.sum()
	for quiet := 0; err == nil && quiet < enough && time.Now().Before(deadline); {
		if err := Pause(ctx, step); err != nil {
			return err
		}
		var cpu time.Duration
		cpu, err = ps.sum()
		if quiet++; cpu-last > step/33 {
			quiet = 0
		}
		last = cpu
	}
	return err
}

// Pause waits for d or the end of ctx, whichever comes first.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
