package main

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"signalbox/config"
	"signalbox/handlers/tryout"
	"signalbox/server"
	"signalbox/server/hub"
	"signalbox/server/trace"
	"signalbox/store"
	"signalbox/store/redis"
)

// settingsFile is read from the working directory where it exists.
const settingsFile = ".env"

// serve builds every part, serves until ctx is over, then stops.
func serve(ctx context.Context, args []string, env environment) error {
	if err := noArguments("serve", args); err != nil {
		return err
	}
	cfg, _, err := readSettings(env)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(cfg.LogLevel)
	log := newLogger(cfg, level, env.stderr)
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
	again := &reloader{env: env, srv: srv, level: level, log: log, given: given, inForce: cfg}
	again.start()
	defer again.stop()
	return srv.Run(ctx)
}

// build makes all parts, each from those before it, and a server around them, which does not run yet: stores, hub, cluster,
// handlers, server. cfg has a way to verify tokens; given are the settings without what was made up for the run.
func build(cfg, given config.Config, log *slog.Logger) (_ *server.Server, err error) {
	var closers []func() // what was made last is closed first
	defer func() {
		if err != nil {
			for _, end := range slices.Backward(closers) {
				end()
			}
		}
	}()
	tracer, err := newTracer(cfg, log)
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { closeTracer(tracer) })
	verifier, err := newVerifier(cfg, log)
	if err != nil {
		return nil, err
	}
	closers = append(closers, verifier.Close)

	shared, err := openShared(cfg, log)
	if err != nil {
		return nil, err
	}
	if shared != nil {
		closers = append(closers, shared.link.Close)
	}
	remembered, err := openStores(cfg, shared, log)
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { closeHistory(remembered.history, log) })

	h := hub.New()
	h.MaxRoomsPerMember, h.Names = cfg.MaxRoomsPerClient, hub.Names{Verified: cfg.RequireAuth}
	bus := newCluster(cfg, h, shared, log)
	if bus != nil {
		if err := bus.CheckMode(context.Background()); err != nil {
			return nil, err
		}
	}
	handlers := newHandlers(cfg, h, remembered, verifier, othersOf(bus, shared), log)
	closers = append(closers, handlers.close)
	if handlers.logic, err = openLogic(cfg, given, h, handlers.gate, othersOf(bus, shared).nodes, shared, tracer, log); err != nil {
		return nil, err
	}
	if l := handlers.logic; l != nil && l.desk != nil {
		cfg.ConnectTimeout = max(cfg.ConnectTimeout, tryout.AnswerTime+cfg.HooksConnectWait) // for answers by hand
	}
	member := newMembership(cfg, shared, bus, handlers, log)
	if member != nil {
		closers = append(closers, member.leave)
	}
	closers = append(closers, handlers.logic.close) // first: what is told then, the others need not tell

	srv, err := server.New(server.Options{
		Config:   cfg,
		Log:      log,
		Version:  buildVersion(),
		Hub:      h,
		Handlers: handlers.namespaces(),
		Others:   handlers.logic.others(),
		Guard:    handlers.gate.Require,
		Tracer:   tracer,
		Doors:    handlers.doors(verifier, remembered.tickets),
		API: &server.APIParts{
			Publisher: handlers.publisher, Presence: handlers.presence, Tickets: remembered.tickets, Lobbies: remembered.users,
		},
		Console:    consoleParts(cfg, given, handlers.logic),
		Admin:      handlers.admin,
		Cluster:    bus,
		ForwardKey: shared.forwardKey(cfg.RedisPrefix),
	})
	if err != nil {
		return nil, err
	}
	srv.OnReload(func(cfg config.Config) {
		if cfg.JWTSecret != "" {
			verifier.SetSecret(string(cfg.JWTSecret))
		}
		handlers.logic.reload(cfg)
		if handlers.admin != nil {
			handlers.admin.SetAccount(cfg.AdminUIUser, string(cfg.AdminUIPassword))
		}
	})
	for _, end := range closers {
		srv.OnClose(end)
	}
	handlers.logic.setCall(srv.CallAPI)
	describeHandlers(srv.Metrics(), handlers)
	describeLogic(srv.Metrics(), handlers.logic)
	describeHistory(srv.Metrics(), remembered.history.Stats)
	describeCluster(srv.Metrics(), member)
	if member != nil {
		member.join(srv)
	}
	return srv, nil
}

// newTracer returns what tells a collector of events and calls; nil: nothing does.
func newTracer(cfg config.Config, log *slog.Logger) (*trace.Tracer, error) {
	header, err := trace.ParseHeaders(string(cfg.TraceHeaders))
	if err != nil {
		return nil, err
	}
	if cfg.TracesURL() == "" {
		return nil, nil
	}
	return trace.New(trace.Options{
		URL: cfg.TracesURL(), Header: header, Service: cfg.TraceService, Version: buildVersion(), Ratio: cfg.TraceRatio, Log: log,
	}), nil
}

// traceCloseTimeout bounds what is still sent of traces when the server stops.
const traceCloseTimeout = 2 * time.Second

func closeTracer(t *trace.Tracer) {
	ctx, cancel := context.WithTimeout(context.Background(), traceCloseTimeout)
	defer cancel()
	t.Close(ctx)
}

// openStores opens what handlers remember things in: in Redis where servers share it.
func openStores(cfg config.Config, shared *sharedStores, log *slog.Logger) (stores, error) {
	history, err := openHistory(cfg, shared, log)
	if err != nil {
		return stores{}, err
	}
	if shared == nil {
		return stores{users: store.NewMemory(), history: history, tickets: store.NewMemoryTickets(0, 0)}, nil
	}
	return stores{
		users: shared.users, history: history, tickets: redis.NewTickets(shared.link, cfg.RedisPrefix), notices: shared.node,
		signIns: redis.NewSignIns(shared.link),
	}, nil
}
