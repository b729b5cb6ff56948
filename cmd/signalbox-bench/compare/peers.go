package compare

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"runtime"

	"signalbox/cmd/signalbox-bench/rig"
)

// stockModule is the library whose own server is the stock peer.
const stockModule = "github.com/zishang520/socket.io/v2"

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
	spec.Command, c.versions["node"] = command, fmt.Sprintf("socket.io %s on Node %s", versions.SocketIO, versions.Node)
	return nil
}

// prepareStock builds the stock peer.
func (c *comparison) prepareStock(ctx context.Context, spec *rig.Spec) error {
	dir, err := filepath.Abs(filepath.Join(c.opts.peers, "stock"))
	if err != nil {
		return err
	}
	binary := filepath.Join(c.Work, "stock")
	fmt.Fprintln(c.Stderr, "bench: building the stock peer")
	if _, err := rig.Output(ctx, dir, "go", "build", "-o", binary, "."); err != nil {
		return err
	}
	spec.Command = []string{binary}
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
