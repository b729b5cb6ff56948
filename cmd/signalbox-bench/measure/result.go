package measure

// Result is the outcome of one scenario, as --json prints it. Figures that were not measured are left out.
type Result struct {
	Scenario string `json:"scenario"`
	About    string `json:"about"` // sizes, in words
	Unit     string `json:"unit"`  // what is counted: delivery, message, round trip, connect, login
	Units    int64  `json:"units"` // how many of them
	Counts   Counts `json:"counts"`

	Seconds float64  `json:"seconds"` // from the first message to the last arrival
	Rate    float64  `json:"rate"`    // units per second
	Latency *Latency `json:"latency,omitempty"`

	// Of the server, with --pid. Processor time is that of all servers, the rest that of the first.
	CPUSeconds  float64   `json:"cpuSeconds,omitempty"`  // user and system time
	CPUPerUnit  float64   `json:"cpuPerUnit,omitempty"`  // microseconds
	CPUEach     []float64 `json:"cpuEach,omitempty"`     // microseconds per unit of each process, where there are several
	RSSBefore   int64     `json:"rssBefore,omitempty"`   // bytes
	RSSPeak     int64     `json:"rssPeak,omitempty"`     // bytes, highest seen
	RSSAfter    int64     `json:"rssAfter,omitempty"`    // bytes, after settling
	RSSPerConn  float64   `json:"rssPerConn,omitempty"`  // bytes per idle connection
	Descriptors int       `json:"descriptors,omitempty"` // open ones after all clients left, less those before

	// Of clients whose connections broke.
	Comebacks int64    `json:"comebacks,omitempty"` // all of them
	Recovered int64    `json:"recovered,omitempty"` // those as who they were
	Away      *Latency `json:"away,omitempty"`      // from the loss of the connection until the client is back in its room
	Never     int64    `json:"never,omitempty"`     // clients that did not come back

	Disconnected int64    `json:"disconnected,omitempty"` // clients the server let go
	Notes        []string `json:"notes,omitempty"`
	Error        string   `json:"error,omitempty"` // why the scenario could not be finished
}

// Latency is a distribution in microseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Note adds a remark for the reader of the table.
func (r *Result) Note(text string) { r.Notes = append(r.Notes, text) }

// OK reports whether the scenario was finished and nothing got lost, doubled or reordered.
func (r *Result) OK() bool { return r.Error == "" && r.Counts.Clean() }
