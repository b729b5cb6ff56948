package growth

import (
	"strconv"

	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/report"
)

// curve is one figure over the sizes of one thing.
type curve struct {
	name   string
	grows  string // what the size counts
	sizes  []int
	least  int
	crowd  func(size int) []string // flags of those who are there already, or nil
	flags  func(size int) []string // flags of what is measured
	anyCPU func(size int) bool     // whether the server may use every processor
	value  func(*measure.Result) float64
	format func(float64) string
}

func cpu(r *measure.Result) float64    { return r.CPUPerUnit }
func memory(r *measure.Result) float64 { return r.RSSPerConn }
func kilobytes(v float64) string       { return strconv.FormatFloat(v/1000, 'f', 1, 64) + " KB" }

// curves lists what is measured. Where a process may open 20,000 files a server takes some 17,500 clients.
func curves() []curve {
	text := strconv.Itoa
	return []curve{
		{
			name: "delivery to a room, CPU", grows: "members", sizes: []int{10, 100, 1000, 10_000}, least: 2,
			flags: func(n int) []string {
				return []string{"--scenario", "burst", "--burst-members", text(n), "--burst-messages", "50", "--burst-rounds", text(min(max(20_000/n, 2), 200))}
			},
			value: cpu, format: report.Duration,
		},
		{
			name: "idle client, memory", grows: "clients", sizes: []int{1000, 2000, 5000, 10_000, 17_000}, least: 100,
			flags: func(n int) []string { return []string{"--scenario", "idle", "--idle-clients", text(n)} },
			value: memory, format: kilobytes,
		},
		{
			name: "connect and leave, CPU", grows: "clients there", sizes: []int{0, 1000, 5000, 10_000, 17_000},
			crowd: func(n int) []string { return []string{"--scenario", "idle", "--idle-clients", text(n)} },
			flags: func(int) []string { return []string{"--scenario", "churn", "--churn-connects", "4000"} },
			value: cpu, format: report.Duration,
		},
		{
			name: "join and leave of a new room, CPU", grows: "rooms there", sizes: []int{0, 1000, 10_000, 100_000, 1_000_000},
			crowd: func(n int) []string {
				each := min(max(n/100, 1), 1000)
				return []string{"--scenario", "join", "--join-clients", text(max(n/each, 1)), "--join-rooms", text(each), "--join-stay", "20m"}
			},
			flags: func(int) []string {
				return []string{"--scenario", "join", "--join-clients", "50", "--join-rooms", "400", "--join-leave"}
			},
			value: cpu, format: report.Duration,
		},
		{
			name: "ack round trip, CPU", grows: "processors", sizes: []int{1, 2}, least: 1,
			anyCPU: func(n int) bool { return n > 1 },
			flags:  func(int) []string { return []string{"--scenario", "echo"} },
			value:  cpu, format: report.Duration,
		},
		{
			name: "delivery to a room of 500, CPU", grows: "processors", sizes: []int{1, 2}, least: 1,
			anyCPU: func(n int) bool { return n > 1 },
			flags:  func(int) []string { return []string{"--scenario", "burst"} },
			value:  cpu, format: report.Duration,
		},
	}
}
