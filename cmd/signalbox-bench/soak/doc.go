// Package soak is a checker: clients at every door of a few servers, a seeded schedule of faults, and at the end of
// each round a judgement of what was promised. What it holds the servers to is written once, in judge.go, lists.go
// and leftovers.go.
package soak
