package redistest

import (
	"bufio"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// startTimeout is how long a server may take until it is ready. It is generous: a machine that runs the race detector on
// all its cores is slow.
const startTimeout = 20 * time.Second

// process is one redis-server that can be started again after it was killed. It belongs to the goroutine of the test.
type process struct {
	path  string
	args  []string
	ready string // what its log says once it can be used

	run *run // nil: never started
}

// run is one life of a process.
type run struct {
	cmd     *exec.Cmd
	started chan error    // one value: whether there is a process
	ready   chan struct{} // closed once its log has said so
	done    chan struct{} // closed once it is gone and waited for
	tail    []string      // the last lines of its log; to be read once done is closed
}

// newProcess kills the process when the test ends.
func newProcess(t testing.TB, path string, args []string, ready string) *process {
	p := &process{path: path, args: args, ready: ready}
	t.Cleanup(p.kill)
	return p
}

// start returns once the process says that it is ready. Where it does not, it is killed, and the error has its last words.
func (p *process) start() error {
	if p.alive() {
		return fmt.Errorf("%s runs already", p.path)
	}
	r := &run{
		cmd:     exec.Command(p.path, p.args...),
		started: make(chan error, 1), ready: make(chan struct{}), done: make(chan struct{}),
	}
	r.cmd.SysProcAttr = dieWithParent()
	go r.live(p.ready) // until the process is gone; kill waits for it
	if err := <-r.started; err != nil {
		return fmt.Errorf("start %s: %w", p.path, err)
	}
	p.run = r
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case <-r.ready:
		return nil
	case <-r.done:
	case <-timeout.C:
		p.kill()
	}
	return fmt.Errorf("%s did not become ready; its last words:\n%s", p.path, strings.Join(r.tail, "\n"))
}

// live starts the process and reads its log until it ends. The kernel kills a process when the thread that started it
// ends, which is what takes the servers along when a test binary is killed; so the thread stays with this goroutine.
func (r *run) live(ready string) {
	defer close(r.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		r.cmd.Stderr = r.cmd.Stdout
		err = r.cmd.Start()
	}
	r.started <- err
	if err != nil {
		return
	}
	isReady := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if r.tail = append(r.tail, lines.Text()); len(r.tail) > 20 {
			r.tail = r.tail[1:]
		}
		if !isReady && strings.Contains(lines.Text(), ready) {
			isReady = true
			close(r.ready)
		}
	}
	_ = r.cmd.Wait() // it was killed, or its last words say why it ended
}

func (p *process) alive() bool {
	if p.run == nil {
		return false
	}
	select {
	case <-p.run.done:
		return false
	default:
		return true
	}
}

// kill ends the process, also a paused one, and returns once it is gone.
func (p *process) kill() {
	if p.run == nil {
		return
	}
	_ = p.run.cmd.Process.Kill() // gone already: all the better
	<-p.run.done
}
