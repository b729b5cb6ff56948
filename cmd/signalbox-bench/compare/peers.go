package compare

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"signalbox/cmd/signalbox-bench/rig"
)

// prepare builds or installs what a server needs, notes its version, and tells how to start it. Servers start in an
// empty folder: no settings file lies there.
func (c *comparison) prepare(ctx context.Context, name string) (rig.Spec, error) {
	spec := rig.Spec{Name: name, Dir: c.Work}
	var err error
	switch name {
	case "signalbox":
		err = c.prepareSignalbox(ctx, &spec)
	case "node":
		err = c.prepareNode(ctx, &spec)
	case "recovery":
		err = c.prepareNode(ctx, &spec)
		spec.Env = []string{"RECOVERY=1"}
	case "bun":
		err = c.prepareBun(ctx, &spec)
	case "stock":
		err = c.prepareStock(ctx, &spec)
	case "bare":
		spec.Command, spec.Only = []string{c.Self, "bare"}, bareScenarios
		c.versions[name] = runtime.Version() + ", one epoll loop"
	}
	return spec, err
}

// prepareSignalbox finds the binary.
func (c *comparison) prepareSignalbox(ctx context.Context, spec *rig.Spec) error {
	binary, err := c.Signalbox(c.opts.signalbox)
	if err != nil {
		return err
	}
	spec.Command = []string{binary, "serve"}
	version, err := rig.Output(ctx, "", binary, "version")
	c.versions["signalbox"] = version
	return err
}

// prepareNode installs the peer's packages unless they are there.
func (c *comparison) prepareNode(ctx context.Context, spec *rig.Spec) error {
	command, versions, err := rig.NodePeer(ctx, c.opts.peers, c.opts.node, c.Stderr)
	if err != nil {
		return err
	}
	spec.Command, c.versions[spec.Name] = command, fmt.Sprintf("socket.io %s on Node %s", versions.SocketIO, versions.Node)
	return nil
}

// prepareBun installs Bun and its engine beside the Node peer, whose app it runs.
func (c *comparison) prepareBun(ctx context.Context, spec *rig.Spec) error {
	command, v, err := rig.NodePeer(ctx, c.opts.peers, c.opts.node, c.Stderr)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Join(c.opts.peers, "bun"))
	if err != nil {
		return err
	}
	binary := filepath.Join(dir, "node_modules", ".bin", "bun")
	if _, err := os.Stat(binary); err != nil {
		fmt.Fprintln(c.Stderr, "bench: installing Bun")
		if _, err := rig.Output(ctx, dir, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			return err
		}
	}
	version, err := rig.Output(ctx, "", binary, "--version")
	spec.Command = []string{binary, command[len(command)-1]}
	c.versions[spec.Name] = fmt.Sprintf("socket.io %s with @socket.io/bun-engine on Bun %s", v.SocketIO, version)
	return err
}

// prepareStock builds the stock peer.
func (c *comparison) prepareStock(ctx context.Context, spec *rig.Spec) error {
	command, version, err := rig.StockPeer(ctx, c.opts.peers, c.Work, c.Stderr)
	spec.Command, c.versions["stock"] = command, version
	return err
}
