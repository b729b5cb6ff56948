package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxBinaryBytes bounds the stripped binary without the browser client, which make build puts in: 1.2 MB more.
const maxBinaryBytes = 27_000_000

// TestBinary looks into the stripped binary: docs/binary.md names every module in it, and it has not grown. A jump by
// half usually is an import of html/template or text/template; the page says why.
func TestBinary(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the whole program")
	}
	path := filepath.Join(t.TempDir(), "signalbox")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	client := embeddedClient(t)
	if size := stat.Size() - client; size > maxBinaryBytes {
		t.Errorf("the binary has %d bytes without the browser client, want at most %d", size, int64(maxBinaryBytes))
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	named := modulesOfPage(t)
	for _, dep := range info.Deps {
		i := slices.Index(named, dep.Path)
		if i < 0 {
			t.Errorf("the binary has %s %s, which docs/binary.md does not name", dep.Path, dep.Version)
			continue
		}
		named = slices.Delete(named, i, i+1)
	}
	if len(named) > 0 {
		t.Errorf("docs/binary.md names what the binary does not have: %q", named)
	}
}

// embeddedClient returns how many bytes of the browser client a build takes in.
func embeddedClient(t *testing.T) int64 {
	t.Helper()
	var sum int64
	files, err := filepath.Glob(filepath.Join(root, "server/client/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if stat, err := os.Stat(f); err == nil {
			sum += stat.Size()
		}
	}
	return sum
}

// modulesOfPage returns the modules that docs/binary.md names.
func modulesOfPage(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/binary.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, found := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllSubmatch(text, -1) {
		names = append(names, string(found[1]))
	}
	return names
}

// TestStandInsAreNotUsed holds that no package here imports a module that internal/stubs stands in for.
func TestStandInsAreNotUsed(t *testing.T) {
	list := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}} {{join .TestImports " "}} `, "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := regexp.MustCompile(`(?m)^\t(\S+) => \./internal/stubs/`).FindAllSubmatch(mod, -1)
	if len(replaced) == 0 {
		t.Fatal("go.mod replaces nothing by internal/stubs")
	}
	for _, r := range replaced {
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, " "+string(r[1])+" ") || strings.Contains(line, " "+string(r[1])+"/") {
				t.Errorf("%s is a stand-in that does nothing, and is imported by %s", r[1], line)
			}
		}
	}
}
