package bench

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
)

// rig is what servers are measured with: two processors, and this program once more.
type rig struct {
	self      string // the program that makes the load
	serverCPU int    // -1: not pinned
	loadCPU   int
	work      string // a folder for what is built; servers run in it
	stderr    io.Writer
}

// newRig finds this program and the processors, and makes the folder, which close removes.
func newRig(stderr io.Writer) (rig, error) {
	r := rig{serverCPU: -1, loadCPU: -1, stderr: stderr}
	var err error
	if r.self, err = os.Executable(); err != nil {
		return r, err
	}
	if list := processors(); len(list) > 1 {
		r.serverCPU, r.loadCPU = list[0], list[1]
	}
	r.work, err = os.MkdirTemp("", "signalbox-bench-")
	return r, err
}

func (r *rig) close() { _ = os.RemoveAll(r.work) }

// away runs this program on the load's processor, with env on top of this process's environment, and returns what it prints.
func (r *rig) away(ctx context.Context, env, args []string) ([]byte, error) {
	cmd := exec.Command(r.self, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, r.stderr
	if err := startPinned(cmd, r.loadCPU); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer stop()
	err := cmd.Wait()
	return out.Bytes(), err
}
