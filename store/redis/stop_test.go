//go:build unix

package redis

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
)

// childEnv has the URL of Redis for a process that is a node of its own, see child.
const childEnv = "SIGNALBOX_TEST_REDIS_NODE"

// init, for TestMain is built where this is not.
func init() {
	if url := os.Getenv(childEnv); url != "" {
		if err := child(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

var (
	childUsers   = []store.User{{ID: "c1", Name: "Ann", Room: "r"}, {ID: "c2", Name: "Bob", Room: "r"}}
	childNotices = []string{"k", "k", "j"}
)

// child is a node with users and notices until its input ends. It writes a line for everything it is told.
func child(url string) error {
	l, err := redislink.Open(redislink.Options{URL: url, Beat: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	defer l.Close()
	up := make(chan struct{}, 1)
	l.OnState(func(is bool) {
		if is {
			select {
			case up <- struct{}{}:
			default:
			}
		}
	})
	<-up
	users := NewUsers(l, "p", "child")
	n := NewNode(NodeOptions{
		Link: l, Prefix: "p", ID: "child", Lease: testLease, Beat: testBeat,
	})
	n.Start(NodeCalls{
		OnLeft: func(string) {},
		OnDead: func(_ context.Context, node string, _ []store.LeaveNotice) { fmt.Println("dead", node) },
		OnReturn: func(ctx context.Context, declaredDead bool) {
			fmt.Println("returned", declaredDead, users.Repair(ctx))
		},
	})
	defer n.Close(context.Background())
	for _, key := range childNotices {
		n.AddNotice(store.LeaveNotice{Key: key})
	}
	for _, u := range childUsers {
		if _, err := users.SaveUser(context.Background(), u); err != nil {
			return err
		}
	}
	for n.contact.steady(time.Now()) == 0 {
		time.Sleep(testBeat / 10) // a process of its own: nothing in it waits for this
	}
	fmt.Println("steady")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestProcessStops has a whole process stopped for longer than its lease.
func TestProcessStops(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	b := startNode(t, url, "b", nil)
	save(t, b.users, store.User{ID: "b", Name: "n", Room: "r"})

	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), childEnv+"="+url)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	ended := make(chan struct{})
	go func() { // awaited by the cleanup
		defer close(ended)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	})
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	wantLine := func(want string) {
		t.Helper()
		if got := receive(t, "the line "+want, lines); got != want {
			t.Fatalf("the stopped process says %q, want %q", got, want)
		}
	}
	wantLine("steady")
	want := append([]store.User{{ID: "b", Name: "n", Room: "r"}}, childUsers...)
	wantRoom(t, b.users, "r", want...)

	signal(syscall.SIGSTOP)
	wantDeath(t, receive(t, "b is told", b.dead), "child", childNotices...)
	if got, err := b.users.Release(t.Context(), "child"); err != nil || !slices.Equal(got, childUsers) {
		t.Errorf("Release = %v, %v, want %v", got, err, childUsers)
	}
	wantRoom(t, b.users, "r", want[0])
	eventually(t, "b has said that it is done", b.idle)

	signal(syscall.SIGCONT)
	wantLine("returned true <nil>")
	wantRoom(t, b.users, "r", want...)
	raw := client(t, url)
	notices, err := readNotices(t.Context(), b.link, noticeKeysOf("p", raw.HGet(t.Context(), keysOf("p").run, "child").Val()).notices)
	if err != nil || !slices.Equal(noticeKeyList(notices), slices.Sorted(slices.Values(childNotices))) {
		t.Errorf("notices = %v, %v, want %v", notices, err, childNotices)
	}

	// It declares nobody dead, now or later, and is declared dead again when it is killed.
	signal(syscall.SIGKILL)
	wantDeath(t, receive(t, "b is told again", b.dead), "child", childNotices...)
	<-ended
	select {
	case line := <-lines:
		t.Errorf("the process that was stopped says %q, want nothing", line)
	default:
	}
	if strings.Join(raw.HKeys(t.Context(), keysOf("p").run).Val(), " ") != "b" {
		t.Error("b is not registered any more")
	}
}
