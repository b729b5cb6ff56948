package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asMain makes this test binary behave as signalbox, for tests that need a process of their own.
const asMain = "SIGNALBOX_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) == "1" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// env returns a getenv over name=value pairs.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if v, ok := strings.CutPrefix(p, name+"="); ok {
				return v
			}
		}
		return ""
	}
}

var firstLine = regexp.MustCompile(`^signalbox \S+ listening on (https?://\S+)`)

// readURL reads the start text up to the address.
func readURL(t *testing.T, stdout io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	found := firstLine.FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("first line of the start text = %q, %v, want the address", line, err)
	}
	return found[1]
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestRun serves in this process, on a free port.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, in := io.Pipe()
	var log bytes.Buffer
	done := make(chan error, 1)
	go func() { // awaited below
		done <- run(ctx, nil, env("PORT=0", "HOST=127.0.0.1", "LOG_FORMAT=json"), in, &log)
		in.Close()
	}()
	url := readURL(t, stdout)
	go io.Copy(io.Discard, stdout) // ends when run has ended
	for path, want := range map[string]string{"/": "Real-Time Signal Broker", "/readyz": "ready", "/healthz": "ok"} {
		if status, body := get(t, url+path); status != 200 || body != want {
			t.Errorf("GET %s = %d %q, want 200 %q", path, status, body, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run = %v, want nil", err)
	}
	for _, want := range []string{`"msg":"listening"`, `"msg":"draining"`, `"msg":"stopped"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no line with %s:\n%s", want, log.String())
		}
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		c.Close()
		t.Error("the port is still open after run")
	}
}

func TestRunFaults(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	tests := map[string]struct {
		args []string
		env  []string
		code int
		want []string
	}{
		"unknown command":      {[]string{"server"}, nil, 2, []string{`unknown command "server": see signalbox help`}},
		"argument for serve":   {[]string{"serve", "--port=1"}, nil, 2, []string{"serve takes no arguments, settings come from the environment"}},
		"argument for version": {[]string{"version", "x"}, nil, 2, []string{"version takes no arguments"}},
		"argument for help":    {[]string{"help", "x"}, nil, 2, []string{"help takes no arguments"}},
		"several bad settings": {nil, []string{"PORT=x", "PING_INTERVAL=25000"}, 1, []string{`PORT="x"`, `PING_INTERVAL="25000": the unit is missing`, "signalbox help"}},
		"port in use":          {nil, []string{"HOST=127.0.0.1", "PORT=" + port}, 1, []string{"port " + port + " is in use"}},
		"client that is gone":  {nil, []string{"HOST=127.0.0.1", "PORT=0", "CLIENT_DIST=/nowhere/at/all"}, 1, []string{"CLIENT_DIST=/nowhere/at/all", "write the path of"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out, log bytes.Buffer
			err := run(t.Context(), tt.args, env(tt.env...), &out, &log)
			if err == nil {
				t.Fatal("run returned no error")
			}
			if code := exitCode(err, &log); code != tt.code {
				t.Errorf("exit code = %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("error output = %s, want %q in it", log.String(), want)
				}
			}
		})
	}
}

func TestRunTellsStdoutFault(t *testing.T) {
	broken := errors.New("disk full")
	if err := run(t.Context(), nil, env("PORT=0", "HOST=127.0.0.1"), failingWriter{broken}, io.Discard); !errors.Is(err, broken) {
		t.Errorf("run with a standard output that fails = %v, want its error", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, env(), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"serve", "version", "ALLOWED_ORIGINS", "SHUTDOWN_TIMEOUT (duration, default 10s)"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("signalbox %s does not say %q", args[0], want)
			}
		}
	}
	for _, args := range [][]string{{"version"}, {"--version"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, env(), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^signalbox \S+ \(go1\.\S+, \w+/\w+\)\n$`).MatchString(out.String()) {
			t.Errorf("signalbox %s = %q", args[0], out.String())
		}
	}
}

// process is signalbox as a process of its own.
type process struct {
	cmd *exec.Cmd
	url string
	log *bytes.Buffer
}

func startProcess(t *testing.T, settings ...string) *process {
	t.Helper()
	log := new(bytes.Buffer)
	p := startProcessTo(t, log, settings...)
	p.log = log
	return p
}

// startProcessTo has the process write its log to w.
func startProcessTo(t *testing.T, w io.Writer, settings ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Dir = t.TempDir() // no .env there
	p.cmd.Env = append([]string{asMain + "=1", "HOST=127.0.0.1", "PORT=0"}, settings...)
	p.cmd.Stderr = w
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // an error means that it has ended, as it should
	p.url = readURL(t, stdout)
	return p
}

func TestSignalEndsWithZero(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			p := startProcess(t)
			if status, _ := get(t, p.url+"/readyz"); status != 200 {
				t.Errorf("/readyz = %d, want 200", status)
			}
			if err := p.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("process ended with %v, want 0\n%s", err, p.log)
			}
		})
	}
}

// hangingRequest holds a shutdown up: its body never ends.
func hangingRequest(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	// The answer to the first request shows that the server has the connection, so the second request is read.
	fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestShutdownTimeoutEndsWithZero(t *testing.T) {
	p := startProcess(t, "SHUTDOWN_TIMEOUT=200ms", "BODY_READ_TIMEOUT=5m")
	defer hangingRequest(t, p.url).Close()
	start := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("process ended with %v, want 0\n%s", err, p.log)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("the end took %v, want about 200ms", took)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := startProcess(t, "SHUTDOWN_TIMEOUT=5m", "BODY_READ_TIMEOUT=5m")
	defer hangingRequest(t, p.url).Close()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// The port closes when the first signal has been taken.
	for address := strings.TrimPrefix(p.url, "http://"); ; {
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		c.Close()
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	err := p.cmd.Wait()
	if code := p.cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("process ended with %d, %v after a second signal, want %d", code, err, 128+int(syscall.SIGTERM))
	}
}
