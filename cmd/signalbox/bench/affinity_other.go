//go:build !linux

package bench

import "os/exec"

// processors is unknown: nothing is pinned.
func processors() []int { return nil }

// startPinned starts a command; pinning needs Linux.
func startPinned(cmd *exec.Cmd, _ int) error { return cmd.Start() }
