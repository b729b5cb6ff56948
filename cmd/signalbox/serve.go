package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"signalbox/config"
	"signalbox/handlers"
	"signalbox/server"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// settingsFile is read from the working directory where it exists.
const settingsFile = ".env"

// serve builds every part, serves until ctx is over, then stops.
func serve(ctx context.Context, args []string, env environment) error {
	if err := noArguments("serve", args); err != nil {
		return err
	}
	getenv, err := config.WithFile(env.getenv, settingsFile)
	if err != nil {
		return err
	}
	cfg, err := config.Load(getenv)
	if err != nil {
		return fmt.Errorf("settings that cannot be used (signalbox help describes all of them):\n%w", err)
	}
	log := newLogger(cfg, env.stderr)
	given := cfg
	cfg, madeUp := withSecret(cfg)
	cfg, madeUpKey := withAPIKey(cfg, given)
	srv, err := build(cfg, given, log)
	if err != nil {
		return err
	}
	defer srv.Close()
	if _, err := io.WriteString(env.stdout, startText(cfg, srv.Addr(), buildVersion())+consoleText(cfg, given, srv.Addr())); err != nil {
		return err
	}
	if madeUp {
		text, err := tryOutText(cfg)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(env.stdout, text); err != nil {
			return err
		}
	}
	if madeUpKey {
		if _, err := io.WriteString(env.stdout, apiKeyText(cfg, srv.Addr())); err != nil {
			return err
		}
	}
	for _, warning := range cfg.Warnings() {
		log.Warn(warning)
	}
	if madeUp && cfg.Clustered() {
		log.Warn("JWT_SECRET is not set: every server of the cluster makes one up, and tokens of one are no good at the others; give all of them the same")
	}
	if env.getenv("GOGC") == "" {
		tidying, stop := context.WithCancel(ctx)
		var done sync.WaitGroup
		done.Go(func() { tidy(tidying, goRuntime()) })
		defer done.Wait()
		defer stop()
	}
	return srv.Run(ctx)
}

// build makes the hub, the handlers and a server around them, which does not run yet. cfg has a way to verify tokens; given
// are the settings without what was made up for the run.
func build(cfg, given config.Config, log *slog.Logger) (*server.Server, error) {
	h := hub.New()
	h.MaxRoomsPerMember, h.Names = cfg.MaxRoomsPerClient, hub.Names{Verified: cfg.RequireAuth}
	others, err := openCluster(cfg, h, log)
	if err != nil {
		return nil, err
	}
	doors, err := buildDoors(cfg, h, others, log)
	if err != nil {
		others.abandon()
		return nil, err
	}
	users := userStore(others)
	root := handlers.NewRoot(h, users, doors.rootOptions(cfg, others), log)
	others.serve(root, doors.handlers)
	srv, err := server.New(server.Options{
		Config:   cfg,
		Log:      log,
		Version:  buildVersion(),
		Hub:      h,
		Handlers: map[string]app.Handler{"/": doors.rootHandler(cfg, root), "/chat": doors.handlers.Rooms.Chat()},
		Doors:    &doors.server,
		API:      apiParts(doors.handlers, users),
		Console:  consoleParts(cfg, given),
		Cluster:  others.bus(),
	})
	if err != nil {
		root.Close()
		doors.close()
		others.abandon()
		return nil, err
	}
	others.attach(srv, func() { root.Close(); doors.close() })
	describeRoot(srv.Metrics(), root)
	describeDoors(srv.Metrics(), doors.handlers)
	describeHistory(srv.Metrics(), doors.history.Stats)
	describeCluster(srv.Metrics(), others)
	return srv, nil
}

// userStore returns where the users of the chat are: in Redis where servers share them.
func userStore(others *clusterParts) store.UserStore {
	if others == nil {
		return store.NewMemory()
	}
	return others.users
}
