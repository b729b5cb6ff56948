package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/rig"
)

const (
	// asMain makes this test binary behave as signalbox-bench, where it starts processes of its own program.
	asMain = "SIGNALBOX_BENCH_TEST_AS_MAIN"
	secret = "0123456789abcdef0123456789abcdef"
	apiKey = "the key of this test"
)

func TestMain(m *testing.M) {
	if os.Getenv(asMain) == "1" {
		main()
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(builtIn)
		os.Exit(code)
	}))
}

// builtIn is the folder of the server's binary, set by buildServer.
var builtIn string

// buildServer makes the server once, with the race detector where these tests have it: then nothing is compiled again.
var buildServer = sync.OnceValues(func() (string, error) {
	var err error
	if builtIn, err = os.MkdirTemp("", "signalbox-bench-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(builtIn, "signalbox")
	args := []string{"build", "-o", path}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "signalbox/cmd/signalbox")...).CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// server returns the path of the server's binary, which is there as long as the test.
func server(t *testing.T) string {
	t.Helper()
	built, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// serve runs a server with secrets until the test ends and returns its address.
func serve(t *testing.T, env ...string) string {
	t.Helper()
	cmd := exec.Command(server(t))
	cmd.Dir = t.TempDir() // no .env there
	cmd.Env = []string{"HOST=127.0.0.1", "PORT=0", "API_KEY=" + apiKey, "JWT_SECRET=" + secret}
	cmd.Env = append(cmd.Env, env...)
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v\n%s", err, log.String())
		}
	})
	in := bufio.NewReader(stdout)
	line, err := in.ReadString('\n')
	found := regexp.MustCompile(`http://\S+`).FindString(line)
	if err != nil || found == "" {
		t.Fatalf("first line of the start text = %q, %v, want the address", line, err)
	}
	go io.Copy(io.Discard, in) // ends with the process
	return found
}

// results runs a command line and reads its JSON.
func results(t *testing.T, args ...string) []measure.Result {
	t.Helper()
	var out, progress bytes.Buffer
	if err := run(t.Context(), args, &out, &progress); err != nil {
		t.Fatalf("run = %v\n%s", err, out.Bytes())
	}
	var list []measure.Result
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDoors has the scenarios of the doors meet the server they are for: everything arrives once and in order.
func TestDoors(t *testing.T) {
	list := results(t,
		"--url", serve(t), "--scenario", "doors", "--json", "--strict", "--jwt-secret", secret, "--api-key", apiKey,
		"--door-clients", "20", "--idle-settle", "10ms",
		"--mixed-members", "9", "--mixed-messages", "20",
		"--publish-clients", "4", "--publish-calls", "200",
		"--say-rooms", "3", "--say-members", "2", "--say-messages", "150",
	)
	want := map[string]int64{"ws": 20, "sse": 20, "chat": 180, "mixed": 180, "publish": 200, "say": 150}
	for _, res := range list {
		if res.Units != want[res.Scenario] || len(res.Notes) > 0 || res.Disconnected > 0 {
			t.Errorf("%s: %+v, want %d units and no remarks", res.Scenario, res, want[res.Scenario])
		}
		delete(want, res.Scenario)
	}
	if len(want) > 0 {
		t.Errorf("no results for %v", want)
	}
}

// TestLogic has a worker and a backend behind a URL answer events.
func TestLogic(t *testing.T) {
	port, err := rig.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, "WORKER_KEY="+secret+"w", "WORKER_EVENTS=/worker:*", "HOOKS_URL=http://127.0.0.1:"+port+"/", "HOOKS_EVENTS=/hook:*")
	list := results(t, "--url", url, "--scenario", "logic", "--json", "--strict", "--worker-key", secret+"w", "--hooks-listen", "127.0.0.1:"+port,
		"--ack-clients", "5", "--echo-trips", "100")
	if len(list) != 2 {
		t.Fatalf("%d results, want 2", len(list))
	}
	for _, res := range list {
		if res.Units != 100 || len(res.Notes) > 0 || res.Disconnected > 0 {
			t.Errorf("%s: %+v, want 100 round trips and no remarks", res.Scenario, res)
		}
	}
}

// TestCuts has members lose their connections again and again: with recovery everything arrives once and in order, also where
// the server sees the connections open.
func TestCuts(t *testing.T) {
	args := []string{"--scenario", "cuts", "--json", "--jitter-clients", "20", "--jitter-every", "300ms", "--jitter-away", "50ms",
		"--jitter-rate", "100", "--jitter-messages", "80", "--quiet", "500ms"}
	for _, res := range results(t, append(args, "--strict", "--url", serve(t, "RECOVERY=true"))...) {
		if res.Units != 20*80 {
			t.Errorf("%s: %+v, want all delivered", res.Scenario, res)
		}
	}
	for _, res := range results(t, append(args, "--url", serve(t))...) {
		if res.Counts.Lost == 0 || res.Counts.Doubled > 0 {
			t.Errorf("%s without recovery: %+v, want some lost", res.Scenario, res.Counts)
		}
	}
}

// TestRestarts has servers be killed and told to end while clients are there: the report says that all came back.
func TestRestarts(t *testing.T) {
	if os.Getenv("LONG") != "1" {
		t.Skip("make test-long runs it, with LONG=1")
	}
	t.Setenv(asMain, "1") // the load is processes of this binary
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	var out, progress bytes.Buffer
	args := []string{"cuts", "--servers", "signalbox", "--signalbox", server(t), "--scenario", "avalanche,deploy", "--out", "-",
		"--clients", "20", "--avalanche-clients", "20", "--load", "--jitter-rate 20 --jitter-messages 90 --quiet 500ms"}
	if err := run(t.Context(), args, &out, &progress); err != nil {
		t.Fatalf("run = %v\n%s", err, progress.Bytes())
	}
	for _, scenario := range []string{"avalanche", "deploy"} {
		if want := "| " + scenario + " | signalbox, RECOVERY=true | 20 | 0.000 % | 0 |"; !bytes.Contains(out.Bytes(), []byte(want)) {
			t.Errorf("no %q in\n%s", want, out.Bytes())
		}
	}
}

// TestDoorsRefused has each scenario fail with what to do where the server lets nobody in.
func TestDoorsRefused(t *testing.T) {
	url := serve(t)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no secret":    {[]string{"--scenario", "chat"}, "--jwt-secret"},
		"other secret": {[]string{"--scenario", "mixed", "--jwt-secret", strings.Repeat("x", 32)}, "could not connect"},
		"no key":       {[]string{"--scenario", "publish"}, "--api-key"},
		"other key":    {[]string{"--scenario", "publish", "--api-key", "not the key of this test"}, "status 401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("JWT_SECRET", "")
			t.Setenv("API_KEY", "")
			list := results(t, append([]string{"--url", url, "--json", "--quiet", "200ms", "--mixed-members", "3"}, tt.args...)...)
			if len(list) != 1 || !strings.Contains(list[0].Error, tt.want) {
				t.Errorf("results = %+v, want one with the error %q", list, tt.want)
			}
		})
	}
}

func TestHelpShowsNoSecret(t *testing.T) {
	t.Setenv("JWT_SECRET", secret)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, io.Discard, &out); err != nil || strings.Contains(out.String(), secret) {
		t.Errorf("the help shows a secret of the environment, or fails: %v", err)
	}
}

// TestClusters measures small clusters: everything arrives once and in order, and the report has a section on it.
func TestClusters(t *testing.T) {
	if os.Getenv("LONG") != "1" {
		t.Skip("make test-long runs it, with LONG=1")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not in PATH: this test needs a real one")
	}
	t.Setenv(asMain, "1")                   // the load is processes of this binary
	t.Setenv("GORACE", "atexit_sleep_ms=0") // many of them
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	var out, progress bytes.Buffer
	args := []string{
		"cluster", "--scenario", "cross,growth,storage", "--runs", "1", "--time", "200ms", "--servers", "2", "--node", "",
		"--signalbox", server(t), "--cold", "--json", "--out", path,
	}
	if err := run(t.Context(), args, &out, &progress); err != nil {
		t.Fatalf("run = %v\n%s", err, progress.Bytes())
	}
	var sites map[string]map[string][]measure.Result
	if err := json.Unmarshal(out.Bytes(), &sites); err != nil {
		t.Fatal(err)
	}
	for _, scenario := range []string{"cross", "crossack"} {
		if runs := sites["two"][scenario]; len(runs) != 1 || runs[0].Error != "" || runs[0].Units != 1000 || len(runs[0].CPUEach) != 3 {
			t.Errorf("%s on two servers: %+v", scenario, runs)
		}
	}
	report, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"sender's server: CPU per message", "| classic | 2 |", "| sharded | 2 |", "user of the chat, 20 in a room", "| ticket | 1000 |", "Nothing, of ",
	} {
		if !bytes.Contains(report, []byte(want)) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}

func TestNotClean(t *testing.T) {
	t.Parallel()
	args := []string{"--url", "http://127.0.0.1:1", "--scenario", "echo", "--strict"}
	if err := run(t.Context(), args, io.Discard, io.Discard); !errors.Is(err, load.ErrNotClean) {
		t.Errorf("run against nobody = %v, want %v", err, load.ErrNotClean)
	}
}
