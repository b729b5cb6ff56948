package testkit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"signalbox/server/hub"
)

// Guest is a client without a connection. What it gets lands in a list, one line each.
type Guest struct {
	house  *House
	id     string
	member *hub.Member

	mu    sync.Mutex
	Lines []string
	gone  bool

	Charged float64 // what the client's messages cost beside the 1 of each
}

// Charge implements [app.Charger].
func (g *Guest) Charge(weight float64) { g.Charged += weight }

func (h *House) Guest(sink func(*Guest) hub.Sink) *Guest {
	h.clients++
	g := &Guest{house: h, id: fmt.Sprintf("client-%d", h.clients)}
	g.member = hub.NewMember(g.id, sink(g))
	return g
}

func (g *Guest) ID() string          { return g.id }
func (g *Guest) Member() *hub.Member { return g.member }

func (g *Guest) Closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gone
}

func (g *Guest) add(line string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return false
	}
	g.Lines = append(g.Lines, line)
	return true
}

func (g *Guest) end(line string) {
	if g.add(line) {
		g.mu.Lock()
		g.gone = true
		g.mu.Unlock()
	}
}

// Take returns the lines since the last take.
func (g *Guest) Take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	lines := g.Lines
	g.Lines = nil
	return lines
}

var (
	UuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	isoPattern  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	MsPattern   = regexp.MustCompile(`\b1[5-9]\d{11}\b|\b[2-4]\d{12}\b|\b946684\d{6,7}\b`)
	idPattern   = regexp.MustCompile(`id: [0-9a-z]+-`)
)

// Want fails unless the client got exactly these lines since the last look. UUIDs, ISO times, milliseconds and the run in
// a record's id are written UUID, ISO, MS and RUN.
func (g *Guest) Want(lines ...string) {
	g.house.t.Helper()
	got := g.Take()
	for i := range got {
		got[i] = UuidPattern.ReplaceAllString(got[i], "UUID")
		got[i] = isoPattern.ReplaceAllString(got[i], "ISO")
		got[i] = MsPattern.ReplaceAllString(got[i], "MS")
		got[i] = idPattern.ReplaceAllString(got[i], "id: RUN-")
	}
	if !slices.Equal(got, lines) {
		g.house.t.Errorf("%s got\n\t%s\nwant\n\t%s", g.id, strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// WantNothing fails if one of the clients got anything.
func WantNothing(clients ...interface{ Want(...string) }) {
	for _, c := range clients {
		c.Want()
	}
}
