package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
)

// Rig is what servers are measured with: two processors, and this program once more.
type Rig struct {
	Self      string // the program that makes the load
	ServerCPU int    // -1: not pinned
	loadCPU   int
	Work      string // a folder for what is built; servers run in it
	Stderr    io.Writer
}

// New finds this program and the processors, and makes the folder, which close removes.
func New(stderr io.Writer) (Rig, error) {
	r := Rig{ServerCPU: -1, loadCPU: -1, Stderr: stderr}
	var err error
	if r.Self, err = os.Executable(); err != nil {
		return r, err
	}
	if list := machine.Processors(); len(list) > 1 {
		r.ServerCPU, r.loadCPU = list[0], list[1]
	}
	r.Work, err = os.MkdirTemp("", "signalbox-bench-")
	return r, err
}

// Signalbox returns the path of the server's binary: the one that is named, else the one beside this program.
func (r *Rig) Signalbox(named string) (string, error) {
	if named != "" {
		return filepath.Abs(named)
	}
	path := filepath.Join(filepath.Dir(r.Self), "signalbox")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no server beside this program: make build makes it, or name it with --signalbox (%w)", err)
	}
	return path, nil
}

func (r *Rig) Close() { _ = os.RemoveAll(r.Work) }

// Away runs this program on the load's processor, with env on top of this process's environment, and returns what it prints.
func (r *Rig) Away(ctx context.Context, env, args []string) ([]byte, error) {
	cmd := exec.Command(r.Self, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, r.Stderr
	if err := machine.StartPinned(cmd, r.loadCPU); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer stop()
	err := cmd.Wait()
	return out.Bytes(), err
}

// Load has this program put load on a server, as Away does, and returns what it measured, one result per scenario.
func (r *Rig) Load(ctx context.Context, env []string, flags ...string) ([]measure.Result, error) {
	var results []measure.Result
	out, err := r.Away(ctx, env, append([]string{"--json"}, flags...))
	if err == nil {
		err = json.Unmarshal(out, &results)
	}
	if err == nil && len(results) == 0 {
		err = errors.New("no results")
	}
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return results, nil
}
