package rig

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"path/filepath"
)

// stockModule is the library whose own server is the stock peer.
const stockModule = "github.com/zishang520/socket.io/v2"

// StockPeer builds the stock peer into a folder and tells how to start it.
func StockPeer(ctx context.Context, peers, work string, stderr io.Writer) (command []string, version string, err error) {
	dir, err := filepath.Abs(filepath.Join(peers, "stock"))
	if err != nil {
		return nil, "", err
	}
	binary := filepath.Join(work, "stock")
	fmt.Fprintln(stderr, "bench: building the stock peer")
	if _, err := Output(ctx, dir, "go", "build", "-o", binary, "."); err != nil {
		return nil, "", err
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, "", err
	}
	for _, dep := range info.Deps {
		if dep.Path == stockModule {
			version = fmt.Sprintf("%s %s on %s", dep.Path, dep.Version, info.GoVersion)
		}
	}
	return []string{binary}, version, nil
}
