// Package compare runs the scenarios against several servers in turn and writes the report on them.
package compare
