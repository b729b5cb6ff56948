package server

import (
	"runtime"
	"testing"
)

func TestMaxConnections(t *testing.T) {
	for _, tc := range []struct{ set, files, want int }{
		{set: 7, files: 20_000, want: 7},
		{set: 0, files: 20_000, want: 19_000},
		{set: 0, files: 256, want: 206},
		{set: 0, files: 10, want: 1},
		{set: 0, files: 0, want: 0},
	} {
		if got := maxConnections(tc.set, tc.files); got != tc.want {
			t.Errorf("maxConnections(%d, %d) = %d, want %d", tc.set, tc.files, got, tc.want)
		}
	}
	if runtime.GOOS == "linux" && openFiles() == 0 {
		t.Error("the limit of open files is not known")
	}
}
