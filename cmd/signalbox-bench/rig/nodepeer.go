package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nodeVersions are those of the Node peer's parts.
type nodeVersions struct{ SocketIO, Adapter, Node string }

// NodePeer installs the packages of the Node peer unless they are there, and tells how to start it.
func NodePeer(ctx context.Context, peers, node string, stderr io.Writer) (command []string, v nodeVersions, err error) {
	dir, err := filepath.Abs(filepath.Join(peers, "node"))
	if err != nil {
		return nil, v, err
	}
	packages := filepath.Join(dir, "node_modules")
	// The adapter came later: packages that were installed before are without it.
	if _, err := packageVersion(packages, "@socket.io/redis-adapter"); err != nil {
		fmt.Fprintln(stderr, "bench: installing the packages of the Node peer")
		if _, err := Output(ctx, dir, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			return nil, v, err
		}
	}
	if v.SocketIO, err = packageVersion(packages, "socket.io"); err != nil {
		return nil, v, err
	}
	if v.Adapter, err = packageVersion(packages, "@socket.io/redis-adapter"); err != nil {
		return nil, v, err
	}
	v.Node, err = Output(ctx, "", node, "--version")
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

// Output runs a command and returns what it printed, trimmed.
func Output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}
