// Package events is what a Go program writes its own namespaces with: functions with typed arguments, whose result is the answer
// to the client. docs/handlers.md is its page.
package events
