package compare

import (
	"slices"
	"strings"
	"testing"
	"time"

	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/rig"
)

func TestJudgeDoor(t *testing.T) {
	t.Parallel()
	c := &comparison{results: map[string]map[string][]measure.Result{"signalbox": {
		"ws":           {{RSSPerConn: 5000}, {RSSPerConn: 5500}, {RSSPerConn: 9000}},
		"sse":          {{RSSPerConn: 15_000}},
		"chat":         measured("chat", 6),
		"mixed":        measured("mixed", 9),
		"publish":      {{Rate: 7000, CPUPerUnit: 125}},
		"say":          measured("say", 50),
		"say" + onDisk: measured("say", 54),
	}}}
	want := map[string]struct{ ratio, limit, reached string }{
		"idle plain WebSocket: memory":                   {"-", "at most 6.0 KB", "yes"},
		"idle event stream: memory":                      {"-", "at most 12.0 KB", "**no**, 1.25 x"},
		"room of Socket.IO clients: CPU per delivery":    {"-", "-", "-"},
		"room of all three kinds: CPU per delivery":      {"1.50 x chat", "at most 1.2 x chat", "**no**, 1.25 x"},
		"publish API: calls per second of one processor": {"-", "at least 10000/s", "**no**, 0.80 x"},
		"publish API: CPU per call":                      {"-", "-", "-"},
		"history in memory: CPU per message":             {"-", "-", "-"},
		"history on disk: CPU per message":               {"1.08 x say", "at most 1.1 x say", "yes"},
	}
	for _, f := range doorFigures() {
		ratio, limit, reached := c.judgeDoor(f)
		if got := (struct{ ratio, limit, reached string }{ratio, limit, reached}); got != want[f.label] {
			t.Errorf("%s: %q, want %q", f.label, got, want[f.label])
		}
	}
	if len(want) != len(doorFigures()) {
		t.Errorf("%d figures, want %d", len(doorFigures()), len(want))
	}
}

func TestJudgeDoorWithoutItsCounterpart(t *testing.T) {
	t.Parallel()
	c := &comparison{results: map[string]map[string][]measure.Result{"signalbox": {"mixed": measured("mixed", 9)}}}
	i := slices.IndexFunc(doorFigures(), func(f doorFigure) bool { return f.scenario == "mixed" })
	if ratio, limit, reached := c.judgeDoor(doorFigures()[i]); ratio != "-" || limit != "at most 1.2 x chat" || reached != "-" {
		t.Errorf("mixed without chat: %q, %q, %q, want no judgement", ratio, limit, reached)
	}
}

func TestReportHasDoors(t *testing.T) {
	t.Parallel()
	chosen, err := load.SelectScenarios("burst,say")
	if err != nil {
		t.Fatal(err)
	}
	lossy := measured("say", 60)
	lossy[0].Counts = measure.Counts{Expected: 10, Delivered: 9, Lost: 1}
	c := &comparison{
		opts:     options{servers: []string{"signalbox"}, scenarios: chosen, runs: 1},
		versions: map[string]string{},
		results:  map[string]map[string][]measure.Result{"signalbox": {"burst": measured("burst", 1), "say": measured("say", 50), "say" + onDisk: lossy}},
	}
	report := c.report(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{
		"### Doors\n", "| history in memory: CPU per message | 50.0 us | - | - | - |",
		"| history on disk: CPU per message | 60.0 us, with losses | 1.20 x say | at most 1.1 x say | **no**, 1.09 x |",
		"| say on disk | signalbox | 10 | 1 |",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
	delete(c.results["signalbox"], "say")
	delete(c.results["signalbox"], "say"+onDisk)
	if report := c.report(time.Time{}); strings.Contains(report, "### Doors") {
		t.Error("a report without scenarios of doors has the section")
	}
}

// TestDoorsRunAgainstSignalboxAlone says which server gets which scenario.
func TestDoorsRunAgainstSignalboxAlone(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &comparison{opts: o, Rig: rig.Rig{Work: "work"}}
	plain := rig.Spec{Name: "signalbox"}
	doors := c.doorSpecs(plain)
	ran := func(spec rig.Spec) string {
		var names []string
		for _, s := range o.scenarios {
			if served(spec, s) {
				names = append(names, s.Name+spec.As)
			}
		}
		return strings.Join(names, ",")
	}
	for want, spec := range map[string]rig.Spec{
		"idle,burst,steady,pairs,ack,echo,storm,polling,churn,slow": plain,
		"ws,sse,chat,mixed,publish,say":                             doors[0],
		"say on disk":                                               doors[1],
		"steady,pairs,ack,echo":                                     {Name: "bare", Only: bareScenarios},
	} {
		if got := ran(spec); got != want {
			t.Errorf("%s%s runs %s, want %s", spec.Name, spec.As, got, want)
		}
	}
	if env := strings.Join(doors[0].Env, " "); strings.Contains(env, "HISTORY_DB") || !strings.Contains(env, "API_KEY=") {
		t.Errorf("environment of the doors = %s", env)
	}
	if env := strings.Join(doors[1].Env, " "); !strings.Contains(env, "HISTORY_DB=work/") {
		t.Errorf("environment with a file = %s", env)
	}
	if len(plain.Env) > 0 {
		t.Errorf("the plain server got %v", plain.Env)
	}
}
