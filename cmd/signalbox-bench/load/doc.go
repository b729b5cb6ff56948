// Package load has the scenarios: what clients do, what must arrive, and what is measured meanwhile.
package load
