package rig

import (
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"time"

	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/report"
)

// WriteHead says when, where and with which command it was measured, what is on the servers' processor, and who else was there.
func (r *Rig) WriteHead(b *strings.Builder, now time.Time, command string, args []string, servers string, runs int, company string) {
	command = strings.Join(append([]string{command}, args...), " ")
	pinned := fmt.Sprintf("%s on processor %d, load on processor %d", servers, r.ServerCPU, r.loadCPU)
	if r.ServerCPU < 0 {
		pinned = "not pinned: the machine has one processor, or does not tell"
	}
	times := "one run"
	if runs > 1 {
		times = fmt.Sprintf("medians of %d runs (lowest to highest in brackets)", runs)
	}
	fmt.Fprintf(b, "Measured on %s with `%s`, %s.\n\n", now.UTC().Format("2 January 2006"), command, times)
	fmt.Fprintf(b, "- Machine: %s, %d processors, %s, %s\n- %s\n", machine.Model(), runtime.NumCPU(), machine.Memory(), machine.Kernel(), report.Capitalize(pinned))
	if company != "" {
		fmt.Fprintf(b, "- %s\n", company)
	}
}
