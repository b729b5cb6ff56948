//go:build !linux

package machine

import "os/exec"

// Processors is unknown: nothing is pinned.
func Processors() []int { return nil }

// StartPinned starts a command; pinning needs Linux.
func StartPinned(cmd *exec.Cmd, _ int) error { return cmd.Start() }
