package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/rig"
)

// small makes every scenario small enough for a test.
func small(url, scenario string, more ...string) []string {
	return append([]string{
		"--url", url, "--scenario", scenario, "--json", "--quiet", "700ms", "--deadline", "30s", "--payload", "20",
		"--idle-clients", "20", "--idle-settle", "10ms",
		"--burst-members", "10", "--burst-messages", "40", "--burst-rounds", "1",
		"--steady-members", "10", "--steady-rate", "100", "--steady-time", "200ms",
		"--pairs-clients", "10", "--pairs-rate", "2000", "--pairs-time", "200ms",
		"--ack-clients", "5", "--ack-rate", "1000", "--ack-time", "200ms", "--echo-trips", "200",
		"--storm-users", "20",
		"--polling-clients", "8", "--polling-rate", "20", "--polling-time", "200ms",
		"--churn-connects", "30", "--churn-parallel", "4",
		"--cross-users", "10", "--cross-rate", "2000", "--cross-time", "200ms", "--join-clients", "5", "--join-rooms", "8",
		"--slow-clients", "2", "--slow-fast", "4", "--slow-messages", "40", "--slow-rate", "400", "--slow-bytes", "1000",
	}, more...)
}

// load runs "signalbox-bench" and reads its JSON.
func load(t *testing.T, args []string) ([]measure.Result, error) {
	t.Helper()
	var out bytes.Buffer
	err := Run(t.Context(), args, &out, io.Discard)
	var results []measure.Result
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &results); err != nil {
			t.Fatalf("output is not JSON: %v\n%s", err, out.Bytes())
		}
	}
	return results, err
}

// loadOne runs one scenario.
func loadOne(t *testing.T, args []string) measure.Result {
	t.Helper()
	results, err := load(t, args)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 {
		t.Fatalf("got %d results, want 1", len(results))
	}
	return results[0]
}

func TestEveryScenarioIsCleanAgainstAGoodServer(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	results, err := load(t, small(f.url, "all", "--strict", "--quiet", "10s"))
	if err != nil {
		t.Errorf("Run = %v, want no error", err)
	}
	want := map[string]int64{
		"idle": 20, "burst": 400, "steady": 200, "pairs": 400, "ack": 200, "echo": 200,
		"storm": 20, "polling": 32, "churn": 30, "slow": 160,
	}
	for _, r := range results {
		if r.Error != "" || !r.Counts.Clean() || r.Disconnected != 0 {
			t.Errorf("%s is not clean: %+v", r.Scenario, r)
		}
		if r.Units != want[r.Scenario] || r.Counts.Delivered != r.Units {
			t.Errorf("%s: %d units, %d delivered, want %d", r.Scenario, r.Units, r.Counts.Delivered, want[r.Scenario])
		}
		if r.Latency == nil || r.Latency.P50 <= 0 || r.Latency.P50 > r.Latency.Max {
			t.Errorf("%s: latency %+v", r.Scenario, r.Latency)
		}
		delete(want, r.Scenario)
	}
	if len(want) > 0 {
		t.Errorf("no results for %v", want)
	}
}

func TestFaultsAreCounted(t *testing.T) {
	t.Parallel()
	const members, messages = 10, 40
	tests := map[string]struct {
		fault func(n int, p string) []string
		want  measure.Counts // per member
	}{
		"every tenth message lost": {
			fault: func(n int, p string) []string {
				if n%10 == 0 {
					return nil
				}
				return []string{p}
			},
			want: measure.Counts{Delivered: 36, Lost: 4},
		},
		"every eighth message doubled": {
			fault: func(n int, p string) []string {
				if n%8 == 0 {
					return []string{p, p}
				}
				return []string{p}
			},
			want: measure.Counts{Delivered: 40, Doubled: 5},
		},
		"message changed": {
			fault: func(n int, p string) []string {
				if n == 7 {
					return []string{strings.Replace(p, "xxxx", "xyxx", 1)}
				}
				return []string{p}
			},
			want: measure.Counts{Delivered: 39, Lost: 1, Corrupt: 1},
		},
		"message of another sender": {
			fault: func(n int, p string) []string {
				if n == 7 {
					return []string{p, strings.Replace(p, `"s":1,`, `"s":2,`, 1)}
				}
				return []string{p}
			},
			want: measure.Counts{Delivered: 40, Stray: 1},
		},
		"message that was never sent": {
			fault: func(n int, p string) []string {
				if n == 7 {
					return []string{p, strings.Replace(p, `"q":7,`, `"q":41,`, 1)}
				}
				return []string{p}
			},
			want: measure.Counts{Delivered: 40, Stray: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t)
			f.deliver = tt.fault
			r := loadOne(t, small(f.url, "burst"))
			want := tt.want
			want.Expected = messages
			var all measure.Counts
			for range members {
				all.Add(want)
			}
			if r.Counts != all {
				t.Errorf("counts = %+v, want %+v", r.Counts, all)
			}
			if _, err := load(t, small(f.url, "burst", "--strict")); !errors.Is(err, ErrNotClean) {
				t.Errorf("with --strict Run = %v, want %v", err, ErrNotClean)
			}
		})
	}
}

func TestReorderingIsCounted(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	var held string // the delivery before, for one member at a time: messages to all members come one after the other
	f.deliver = func(n int, p string) []string {
		switch n % 4 {
		case 1:
			held = p
			return nil
		case 2: // the number before comes behind this one
			return []string{p, held}
		}
		return []string{p}
	}
	r := loadOne(t, small(f.url, "burst", "--burst-members", "1"))
	want := measure.Counts{Expected: 40, Delivered: 40, Reordered: 10}
	if r.Counts != want {
		t.Errorf("counts = %+v, want %+v", r.Counts, want)
	}
}

func TestLostAnswersAreCounted(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	f.answer = func(n int, p string) []string {
		switch n {
		case 5:
			return nil
		case 6:
			return []string{p, p}
		}
		return []string{p}
	}
	r := loadOne(t, small(f.url, "ack"))
	want := measure.Counts{Expected: 200, Delivered: 195, Lost: 5, Doubled: 5}
	if r.Counts != want {
		t.Errorf("counts = %+v, want %+v", r.Counts, want)
	}
	r = loadOne(t, small(f.url, "echo"))
	if r.Counts.Lost == 0 || r.Counts.Delivered+r.Counts.Lost != r.Counts.Expected {
		t.Errorf("a closed loop that stops: counts = %+v, want the rest as lost", r.Counts)
	}
}

func TestPollingFaultsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	f.deliver = func(n int, p string) []string {
		switch n {
		case 2:
			return nil
		case 3:
			return []string{p, p}
		}
		return []string{p}
	}
	r := loadOne(t, small(f.url, "polling"))
	want := measure.Counts{Expected: 32, Delivered: 24, Lost: 8, Doubled: 8}
	if r.Counts != want {
		t.Errorf("counts = %+v, want %+v", r.Counts, want)
	}
}

func TestStormListsAreChecked(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	f.list = func(i int, users []string) []string {
		switch {
		case i == 3 && len(users) == 20:
			return users[:19] // one never hears of the last
		case i == 5 && len(users) == 20:
			return append(slices.Clone(users[1:]), users[0]) // one has another order
		}
		return users
	}
	r := loadOne(t, small(f.url, "storm"))
	if r.Counts.Lost != 1 || r.Counts.Delivered != 19 {
		t.Errorf("counts = %+v, want 19 delivered, 1 lost", r.Counts)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "1 users ended with another list than the rest") }) {
		t.Errorf("notes = %q, want one on the different list", r.Notes)
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	port, err := rig.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range mustLoad(t, small("http://127.0.0.1:"+port, "all")) {
		if r.OK() {
			t.Errorf("%s against nobody: %+v, want a fault", r.Scenario, r)
		}
	}
}

func TestServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	f.answer = func(int, string) []string { return nil }
	began := time.Now()
	r := loadOne(t, small(f.url, "echo", "--quiet", "1m", "--deadline", "500ms"))
	if !strings.Contains(r.Error, "not finished after 500ms") && r.Counts.Lost != 200 {
		t.Errorf("result = %+v, want the deadline or all lost", r)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v, want about the deadline of 500ms", took)
	}
}

func TestCancelEndsTheRun(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.deliver = func(n int, p string) []string {
		if n == 2 {
			cancel()
		}
		return nil
	}
	err := Run(ctx, small(f.url, "steady,burst", "--steady-time", "1h", "--quiet", "1h", "--deadline", "1h"), io.Discard, io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
}

func TestTableNamesEveryScenario(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	var out, progress bytes.Buffer
	args := slices.DeleteFunc(small(f.url, "ack,churn"), func(a string) bool { return a == "--json" })
	if err := Run(t.Context(), args, &out, &progress); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"scenario", "ack ", "200 round trips", "churn", "30 visits", "lost"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if !strings.Contains(progress.String(), "bench: ack: starts") {
		t.Errorf("no progress in %q", progress.String())
	}
}

// mustLoad runs "signalbox-bench" and fails the test on an error.
func mustLoad(t *testing.T, args []string) []measure.Result {
	t.Helper()
	results, err := load(t, args)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestAddressedEventsNameTheirRecipient(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		p := client.AppendAddressed(nil, PairUser(i), client.Stamp{}, nil)
		if !bytes.Contains(p, []byte(`"recipientUserId":"bench-`+strconv.Itoa(i)+`"`)) {
			t.Errorf("packet %s does not name user %d", p, i)
		}
	}
}
