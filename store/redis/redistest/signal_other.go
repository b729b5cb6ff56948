//go:build !unix

package redistest

import "testing"

func (p *process) pause(t testing.TB) {
	t.Helper()
	t.Skip("this system cannot pause a process")
}

func (p *process) resume(testing.TB) {}
