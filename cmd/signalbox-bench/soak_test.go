package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"signalbox/cmd/signalbox-bench/soak"
)

// TestSoak has three servers keep their promises while connections are cut, servers end and Redis is away.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	t.Parallel() // it waits most of its time
	runs := [][]string{{"--seed", "1", "--minutes", "0.33", "--round", "10s"}}
	if os.Getenv("LONG") == "1" {
		runs = [][]string{{"--seed", "2", "--minutes", "3"}, {"--seed", "3", "--minutes", "3", "--recovery"}}
	}
	for _, args := range runs {
		var out, progress bytes.Buffer
		args = append([]string{"soak", "--signalbox", server(t)}, args...)
		if err := run(t.Context(), args, &out, &progress); err != nil {
			t.Fatalf("run = %v\n%s%s", err, out.Bytes(), progress.Bytes())
		}
		t.Log(out.String())
	}
}

// TestSoakFindsFaults plants faults between servers and clients, and has the checker find each.
func TestSoakFindsFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	binary := server(t)
	for plant, want := range map[string]string{
		"drop":   "lost: ",
		"double": "doubled: ",
		"swap":   "out of order: ",
		"list":   "has no list",
		"key":    `the key "soak-signalbox:planted" is left`,
	} {
		t.Run(plant, func(t *testing.T) {
			t.Parallel()
			redis := ""
			if plant == "key" {
				redis = "redis-server"
				if _, err := exec.LookPath(redis); err != nil {
					t.Skip("redis-server is not in PATH: this test needs a real one")
				}
			}
			args := []string{
				"soak", "--signalbox", binary, "--redis-server", redis, "--nodes", "1", "--plant", plant,
				"--minutes", "0.05", "--round", "3s", "--patience", "1s",
			}
			var out bytes.Buffer
			err := run(t.Context(), args, &out, io.Discard)
			said := out.String()
			if !errors.Is(err, soak.ErrWrong) || !strings.Contains(said, want) || !strings.Contains(said, "--seed 1") {
				t.Errorf("run = %v, want %v with %q:\n%s", err, soak.ErrWrong, want, out.Bytes())
			}
		})
	}
}

// TestSoakPlansBySeed has a seed make one schedule.
func TestSoakPlansBySeed(t *testing.T) {
	t.Parallel()
	plan := func(seed string) string {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"soak", "--plan", "--seed", seed}, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if plan("7") != plan("7") || plan("7") == plan("8") || !strings.Contains(plan("7"), "cut client") {
		t.Errorf("schedules of seed 7: %q and %q, of seed 8: %q", plan("7"), plan("7"), plan("8"))
	}
}
