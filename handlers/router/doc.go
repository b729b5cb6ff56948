// Package router lets the application's own logic in: it decides by namespace and event who owns an event, a built-in handler
// or a [Backend], keeps each socket's events for backends in a queue of their own, and carries out what they answer.
//
// It knows no way to a backend: those are in package hooks and package events.
package router
