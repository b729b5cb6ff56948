package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"signalbox/config"
	"signalbox/server/auth"
	"signalbox/server/listen"
	"signalbox/server/trace"
)

const checkHelp = `signalbox check reads the settings as serve does, and prints every one with where it comes from, then what is wrong with them.
It ends with 0 where a server would start with them. Secrets are not shown.

Usage: signalbox check [--write-example]

  --write-example   print a file for CONFIG with every setting, its meaning and its default instead
`

// check prints the settings that are in force, and every fault.
func check(_ context.Context, args []string, env environment) error {
	switch {
	case len(args) == 1 && args[0] == "--write-example":
		return config.WriteExample(env.stdout)
	case len(args) == 1 && (args[0] == "-h" || args[0] == "--help"):
		_, err := fmt.Fprint(env.stdout, checkHelp)
		return err
	case len(args) > 0:
		return fmt.Errorf("signalbox check takes --write-example or nothing: %w", errUsage)
	}
	cfg, source, err := readSettings(env)
	if source == nil {
		return err
	}
	if err := source.WriteInForce(env.stdout); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings() {
		fmt.Fprintln(env.stdout, "\nWARNING:", warning)
	}
	_, err = listen.NewTLS(cfg, slog.New(slog.DiscardHandler))
	if err = errors.Join(err, checkParts(cfg)); err != nil {
		return fmt.Errorf("settings that cannot be used:\n%w", err)
	}
	_, err = fmt.Fprintln(env.stdout, "\nA server would start with these settings.")
	return err
}

// checkParts returns what the parts of a server would say about settings that package config has passed.
func checkParts(cfg config.Config) error {
	_, _, _, err := readLogic(cfg)
	if cfg.JWTSecret != "" {
		err = errors.Join(err, auth.CheckSecret(string(cfg.JWTSecret)))
	}
	if cfg.JWKSURL != "" {
		err = errors.Join(err, auth.CheckJWKSURL(cfg.JWKSURL))
	}
	_, fault := trace.ParseHeaders(string(cfg.TraceHeaders))
	return errors.Join(err, fault)
}

// readSettings reads the settings of a server, and returns where they come from. The source is nil where that cannot be
// read.
func readSettings(env environment) (config.Config, *config.Source, error) {
	source, err := config.ReadSource(env.getenv, settingsFile)
	if err != nil {
		return config.Config{}, nil, err
	}
	cfg, err := config.Load(source.Get)
	if err != nil {
		return cfg, source, fmt.Errorf("settings that cannot be used (signalbox help describes all of them):\n%w", err)
	}
	return cfg, source, nil
}
