package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
)

// TestSocketActivation serves on a socket that was opened before the process, as the service manager does it.
func TestSocketActivation(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh here")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command(shell, "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env = []string{asMain + "=1", "LISTEN=systemd", "LISTEN_FDS=1"}
	cmd.Dir, cmd.Stderr, cmd.ExtraFiles = t.TempDir(), os.Stderr, []*os.File{file}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url := readURL(t, stdout)
	go io.Copy(io.Discard, stdout) // ends with the process
	if want := "http://" + l.Addr().String(); url != want {
		t.Errorf("it listens on %s, want %s", url, want)
	}
	res, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	// The socket is still the service manager's: who connects meanwhile waits for the next process.
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("the socket is closed: %v", err)
	}
	nc.Close()
}
