package bench

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// stockModule is the library whose own server is the stock peer.
const stockModule = "github.com/zishang520/socket.io/v2"

// prepare builds or installs what a server needs, notes its version, and tells how to start it. Servers start in an
// empty folder: no settings file lies there.
func (c *comparison) prepare(ctx context.Context, name string) (serverSpec, error) {
	spec := serverSpec{name: name, dir: c.work}
	var err error
	switch name {
	case "signalbox":
		err = c.prepareSignalbox(ctx, &spec)
	case "node":
		err = c.prepareNode(ctx, &spec)
	case "stock":
		err = c.prepareStock(ctx, &spec)
	case "bare":
		spec.command, spec.only = []string{c.self, "bench", "bare"}, bareScenarios
		c.versions[name] = runtime.Version() + ", one epoll loop"
	}
	return spec, err
}

// prepareSignalbox finds the binary: this program, unless another is named.
func (c *comparison) prepareSignalbox(ctx context.Context, spec *serverSpec) error {
	binary := c.self
	if c.opts.signalbox != "" {
		var err error
		if binary, err = filepath.Abs(c.opts.signalbox); err != nil {
			return err
		}
	}
	spec.command = []string{binary, "serve"}
	version, err := output(ctx, "", binary, "version")
	c.versions["signalbox"] = version
	return err
}

// prepareNode installs the peer's packages unless they are there.
func (c *comparison) prepareNode(ctx context.Context, spec *serverSpec) error {
	command, versions, err := nodePeer(ctx, c.opts.peers, c.opts.node, c.stderr)
	if err != nil {
		return err
	}
	spec.command, c.versions["node"] = command, fmt.Sprintf("socket.io %s on Node %s", versions.socketIO, versions.node)
	return nil
}

// nodeVersions are those of the Node peer's parts.
type nodeVersions struct{ socketIO, adapter, node string }

// nodePeer installs the packages of the Node peer unless they are there, and tells how to start it.
func nodePeer(ctx context.Context, peers, node string, stderr io.Writer) (command []string, v nodeVersions, err error) {
	dir, err := filepath.Abs(filepath.Join(peers, "node"))
	if err != nil {
		return nil, v, err
	}
	packages := filepath.Join(dir, "node_modules")
	// The adapter came later: packages that were installed before are without it.
	if _, err := packageVersion(packages, "@socket.io/redis-adapter"); err != nil {
		fmt.Fprintln(stderr, "bench: installing the packages of the Node peer")
		if _, err := output(ctx, dir, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			return nil, v, err
		}
	}
	if v.socketIO, err = packageVersion(packages, "socket.io"); err != nil {
		return nil, v, err
	}
	if v.adapter, err = packageVersion(packages, "@socket.io/redis-adapter"); err != nil {
		return nil, v, err
	}
	v.node, err = output(ctx, "", node, "--version")
	return []string{node, filepath.Join(dir, "app.js")}, v, err
}

// packageVersion returns the version of an installed package.
func packageVersion(packages, name string) (string, error) {
	manifest := filepath.Join(packages, name, "package.json")
	raw, err := os.ReadFile(manifest)
	if err != nil {
		return "", err
	}
	var pkg struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(raw, &pkg); err != nil {
		return "", fmt.Errorf("%s: %w", manifest, err)
	}
	return pkg.Version, nil
}

// prepareStock builds the stock peer.
func (c *comparison) prepareStock(ctx context.Context, spec *serverSpec) error {
	dir, err := filepath.Abs(filepath.Join(c.opts.peers, "stock"))
	if err != nil {
		return err
	}
	binary := filepath.Join(c.work, "stock")
	fmt.Fprintln(c.stderr, "bench: building the stock peer")
	if _, err := output(ctx, dir, "go", "build", "-o", binary, "."); err != nil {
		return err
	}
	spec.command = []string{binary}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	for _, dep := range info.Deps {
		if dep.Path == stockModule {
			c.versions["stock"] = fmt.Sprintf("%s %s on %s", dep.Path, dep.Version, info.GoVersion)
		}
	}
	return nil
}

// output runs a command and returns what it printed, trimmed.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}
