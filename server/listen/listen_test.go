package listen

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signalbox/config"
)

func settings(t *testing.T, listen string) config.Config {
	t.Helper()
	cfg := config.Default()
	if err := cfg.Listen.UnmarshalText([]byte(listen)); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestListenExplainsFaults(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for name, tt := range map[string]struct {
		host string
		port int
		want string
	}{
		"port in use":             {"127.0.0.1", port, fmt.Sprintf("port %d is in use: stop the program that listens there, or set PORT to another one, such as PORT=%d", port, port+1)},
		"address of another host": {"192.0.2.1", 0, "HOST=192.0.2.1 is no address of this machine: leave HOST empty"},
		"host that is no address": {"256.256.256.256", 0, "listen: "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Host, cfg.Port = tt.host, tt.port
			l, err := Open(cfg, cfg.Addresses())
			if err == nil {
				Close(l)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open of %s:%d = %v, want %q", tt.host, tt.port, err, tt.want)
			}
		})
	}
}

func TestOpenSeveral(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cfg := settings(t, "127.0.0.1:0, unix:"+path)
	open, err := Open(cfg, cfg.Addresses())
	if err != nil {
		t.Fatal(err)
	}
	defer Close(open)
	if len(open) != 2 || open[0].Addr().Network() != "tcp" || open[1].Addr().String() != path {
		t.Fatalf("Open = %v", open)
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Mode().Perm() != 0o660 || stat.Mode().Type() != fs.ModeSocket {
		t.Errorf("the socket has mode %v, %v, want 0660", stat.Mode(), err)
	}
	if _, err := Open(cfg, cfg.Addresses()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open of a socket in use = %v, want a fault that names it", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket in use was taken away: %v", err)
	}
}

// TestOpenTakesAStaleSocketOver as a process leaves it that was killed; another file stays.
func TestOpenTakesAStaleSocketOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	cfg := settings(t, "unix:"+path)
	open, err := Open(cfg, cfg.Addresses())
	if err != nil {
		t.Fatal(err)
	}
	Close(open)
	if err := os.WriteFile(path, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg, cfg.Addresses()); err == nil {
		t.Error("a file that is no socket was taken over")
	}
	if text, _ := os.ReadFile(path); string(text) != "keep" {
		t.Errorf("the file holds %q", text)
	}
}

func TestNothingFromSystemd(t *testing.T) {
	if _, err := Open(config.Default(), settings(t, "systemd").Listen); err == nil || !strings.Contains(err.Error(), ".socket unit") {
		t.Errorf("Open without sockets passed on = %v", err)
	}
}
