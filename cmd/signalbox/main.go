// Command signalbox is a Socket.IO-compatible realtime server. Without arguments it serves; see `signalbox help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// errUsage marks a command line that cannot be understood; the process ends with 2.
var errUsage = errors.New("see signalbox help")

// environment is what a command has of the world, so that tests can give it another one.
type environment struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

// command is one subcommand.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, env environment) error
}

// commands lists what signalbox can do, in the order of its help.
func commands() []command {
	return []command{
		{"serve", "serve clients until SIGINT or SIGTERM (the default)", serve},
		{"token", "mint a token for development and scripts", token},
		{"emit", "send an event to clients, or publish on a channel", emit},
		{"password", "make up a password and print it with its hash, for ADMIN_UI_PASSWORD", password},
		{"check", "print every setting, where it comes from, and what is wrong with it", check},
		{"health", "ask the server on this machine whether it is well", health},
		{"version", "print the version", printVersion},
		{"help", "print this text and every setting", printHelp},
	}
}

func main() {
	os.Exit(exitCode(run(untilSignal(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr), os.Stderr))
}

// untilSignal returns a context that is over at the first SIGINT or SIGTERM. The second one ends the process at once,
// with the exit code a shell gives to a program that a signal ended.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		if s, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(128 + int(s))
		}
		os.Exit(1)
	}()
	return ctx
}

// run carries out one command line until it is done or ctx is over. Tests call it with PORT=0.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	env := environment{getenv: getenv, stdout: stdout, stderr: stderr}
	if len(args) == 0 {
		return serve(ctx, nil, env)
	}
	switch args[0] {
	case "-h", "-help", "--help":
		return printHelp(ctx, args[1:], env)
	case "-v", "-version", "--version":
		return printVersion(ctx, args[1:], env)
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], env)
		}
	}
	return fmt.Errorf("unknown command %q: %w", args[0], errUsage)
}

// noArguments refuses arguments to a command that takes none: settings come from the environment.
func noArguments(name string, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("signalbox %s takes no arguments, settings come from the environment: %w", name, errUsage)
	}
	return nil
}

// exitCode prints an error and returns what the process ends with: 0, 2 for a command line that cannot be understood, and
// 1 for everything else.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "signalbox:", err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}
