// Package machine asks the system: which processors there are, what a process has spent, and who else was busy.
package machine
