package redistest

import "syscall"

// dieWithParent has the kernel kill the process when the test binary is killed before it could do so itself.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
