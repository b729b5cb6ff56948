package redislink

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// inbox keeps what arrives.
type inbox struct {
	mu   sync.Mutex
	got  []Message
	more chan struct{}
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 1)} }

func (in *inbox) take(m Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.got = append(in.got, m)
	select {
	case in.more <- struct{}{}:
	default:
	}
}

func (in *inbox) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.got)
}

func (in *inbox) reset() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.got = nil
}

// await waits until so many messages have arrived.
func (in *inbox) await(t testing.TB, n int) {
	t.Helper()
	for in.count() < n {
		await(t, fmt.Sprintf("%d messages; there are %d", n, in.count()), in.more)
	}
	if in.count() > n {
		t.Errorf("%d messages have arrived, want %d", in.count(), n)
	}
}

func (in *inbox) byChannel() map[string][]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	channels := map[string][]int{}
	for _, m := range in.got {
		n, _ := strconv.Atoi(string(m.Payload))
		channels[m.Channel] = append(channels[m.Channel], n)
	}
	return channels
}

// plain returns the numbers of what was published plainly.
func (in *inbox) plain() []int {
	in.mu.Lock()
	defer in.mu.Unlock()
	var numbers []int
	for _, m := range in.got {
		if !m.Sharded {
			n, _ := strconv.Atoi(string(m.Payload))
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func (in *inbox) messages() []Message {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.got)
}

func ascending(numbers []int) bool {
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			return false
		}
	}
	return true
}
