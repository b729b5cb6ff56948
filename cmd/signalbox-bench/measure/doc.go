// Package measure counts: what arrived, how long it took, and what the servers spent on it.
package measure
