package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	write(t, path, "# comment\nPORT=4000\nexport LOG_LEVEL=debug\nCLIENT_DIST=\"/srv/with space\"\n")
	getenv, err := WithFile(env("PORT", "5000"), path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"PORT":        "5000", // the environment wins
		"LOG_LEVEL":   "debug",
		"CLIENT_DIST": "/srv/with space",
		"HOST":        "",
	} {
		if got := getenv(name); got != want {
			t.Errorf("getenv(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestWithFileMissing(t *testing.T) {
	getenv, err := WithFile(env("PORT", "5000"), filepath.Join(t.TempDir(), ".env"))
	if err != nil {
		t.Fatalf("a file that is not there: %v", err)
	}
	if got := getenv("PORT"); got != "5000" {
		t.Errorf("getenv(PORT) = %q, want 5000", got)
	}
}

func TestWithFileFault(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	write(t, broken, "PORT=4000\nMETRICS_TOKEN=hush\n?? hush\nHOST=x\n")
	large := filepath.Join(dir, "large")
	write(t, large, strings.Repeat("#", maxFileBytes+1))
	for name, tt := range map[string]struct{ path, want string }{
		"line that is not NAME=value": {broken, "line 3 cannot be read"},
		"far too large":               {large, "a file of settings has 65536 at most"},
		"folder":                      {dir, "read settings"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := WithFile(env(), tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("WithFile = %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows what the file says: %v", err)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
