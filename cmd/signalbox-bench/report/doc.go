// Package report writes results as tables and puts generated sections into docs/benchmarks.md.
package report
