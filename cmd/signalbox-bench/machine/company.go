package machine

import (
	"fmt"
	"runtime"
	"time"
)

// company measures who else used the machine: figures taken in company are too high.
type company struct {
	at                time.Time
	busy, stolen, own time.Duration
	known             bool
}

// NewCompany begins to measure.
func NewCompany() company {
	c := company{at: time.Now(), own: ownTimes()}
	c.busy, c.stolen, c.known = busyTimes()
	return c
}

// Remark says how much of the machine others have used until now, "" where that is not known. The processes that this
// one started must have ended.
func (c company) Remark() string {
	busy, stolen, known := busyTimes()
	if !known || !c.known {
		return ""
	}
	others := busy - c.busy - (ownTimes() - c.own)
	return companyRemark(others, stolen-c.stolen, time.Since(c.at)*time.Duration(runtime.NumCPU()))
}

// companyRemark puts shares of the machine's time into words.
func companyRemark(others, stolen, all time.Duration) string {
	if all <= 0 {
		return ""
	}
	share := func(d time.Duration) float64 { return 100 * max(d, 0).Seconds() / all.Seconds() }
	text := fmt.Sprintf("Other programs used %.0f %% of the processors meanwhile, the machine's host took %.0f %%", share(others), share(stolen))
	if share(others)+share(stolen) > 3 {
		text += ": **the machine was not idle, figures are too high and vary**"
	}
	return text
}
