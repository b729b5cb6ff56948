package main

import (
	"context"
	"fmt"
	"strings"

	"signalbox/config"
)

const helpHead = `signalbox is a Socket.IO-compatible realtime server: broker and chat for existing socket.io-client apps.

Usage: signalbox [command]

Commands:
`

const helpSettings = `
Settings come from the environment, then from the file in YAML that CONFIG names, then from the file .env in the working
directory.
Durations are written 500ms, 10s, 1m30s; sizes 1000000, 64KiB, 4MiB.

`

func printHelp(_ context.Context, args []string, env environment) error {
	if err := noArguments("help", args); err != nil {
		return err
	}
	var head strings.Builder
	head.WriteString(helpHead)
	for _, c := range commands() {
		fmt.Fprintf(&head, "  %-9s %s\n", c.name, c.summary)
	}
	head.WriteString(helpSettings)
	if _, err := fmt.Fprint(env.stdout, head.String()); err != nil {
		return err
	}
	return config.WriteHelp(env.stdout)
}
