package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"signalbox/config"
	"signalbox/handlers/gate"
	"signalbox/handlers/hooks"
	"signalbox/handlers/router"
	"signalbox/handlers/tryout"
	"signalbox/handlers/workers"
	"signalbox/server"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/trace"
	"signalbox/store/sqlite"
)

// logicCloseTimeout bounds waiting for the application's backend when the server stops.
const logicCloseTimeout = 3 * time.Second

// appLogic is the application's own logic. A nil *appLogic is none.
type appLogic struct {
	router  *router.Router
	hooks   *hooks.Hooks     // nil without HOOKS_URL
	workers *workers.Workers // nil without WORKER_KEY
	file    *sqlite.Notices  // nil without HOOKS_DB
	store   router.NoticeStore
	people  *router.Occupancy // nil: nobody is told who is there
	desk    *tryout.Desk      // nil: nobody looks at what goes to backends
	hub     *hub.Hub
	log     *slog.Logger
}

// openLogic makes what HOOKS_URL and WORKER_KEY stand for; nil without both. given are the settings without what was made up
// for the run.
func openLogic(
	cfg, given config.Config, h *hub.Hub, g *gate.Gate, nodes hub.Nodes, shared *sharedStores, tracer *trace.Tracer, log *slog.Logger,
) (*appLogic, error) {
	if cfg.HooksURL == "" && cfg.WorkerKey == "" {
		return nil, nil
	}
	events, claimable, keys, err := readLogic(cfg)
	if err != nil {
		return nil, err
	}
	l := &appLogic{hub: h, log: log}
	if cfg.Console && given.TryOut(nil) {
		l.desk = tryout.New()
	}
	var kept []router.Notice
	switch {
	case cfg.HooksNotify == "":
	case cfg.HooksDB != "":
		if kept, err = l.openNotices(cfg); err != nil {
			return nil, err
		}
	case shared != nil:
		l.store = newLeftNotices(shared.node)
	}
	o := router.Options{Hub: h, Token: gate.Token, Verify: g.Peek, Tracer: tracer, Log: log}
	if cfg.HooksURL != "" {
		l.hooks = hooks.New(hooks.Options{
			URL: cfg.HooksURL, Keys: keys, Concurrency: cfg.HooksConcurrency, Batch: cfg.HooksBatch, Tracer: tracer, OutsideOptions: l.outside(cfg),
		})
		if cfg.HooksNotify != "" && len(events) == 0 {
			o.Watch = l.hooks
		}
	}
	if kinds := config.List(cfg.HooksNotify); len(kinds) > 1 {
		l.people = router.NewOccupancy(router.OccupancyOptions{
			Kinds: kinds, Grace: cfg.HooksGrace, Nodes: nodes,
			Notices: func(namespace string) *router.Notices { return l.notices(namespace, o.Watch != nil) },
		})
		o.Occupancy = l.people
		h.Watch(l.people)
	}
	l.router = router.New(o)
	l.router.Route(router.RankHook, l.hooks, events...)
	if cfg.WorkerKey != "" {
		l.workers = workers.New(workers.Options{
			OutsideOptions: l.outside(cfg), Key: string(cfg.WorkerKey), Allowed: claimable, Nodes: nodes,
			MaxOutBytes: workerBytes(cfg),
		})
		l.router.Route(router.RankWorker, l.workers, claimable...)
	}
	l.restore(kept)
	return l, nil
}

// reload takes the settings of backends that need no restart.
func (l *appLogic) reload(cfg config.Config) {
	_, _, keys, err := readLogic(cfg)
	if l == nil || err != nil { // checked before
		return
	}
	if l.hooks != nil {
		l.hooks.SetTarget(cfg.HooksURL, keys)
		l.hooks.SetTerms(terms(cfg))
	}
	if l.workers != nil {
		l.workers.SetKey(string(cfg.WorkerKey))
		l.workers.SetMaxOut(workerBytes(cfg))
		l.workers.SetTerms(terms(cfg))
	}
}

// workerBytes is what one worker may have: a worker that does not read must not be over what may wait for it.
func workerBytes(cfg config.Config) int { return int(cfg.MaxOutboxBytes) / 8 * 7 }

// terms returns the settings for backends that may change.
func terms(cfg config.Config) router.OutsideOptions {
	return router.OutsideOptions{
		Timeout: cfg.HooksTimeout, ConnectWait: cfg.HooksConnectWait, Admit: cfg.HooksDown == "admit",
		Retry: config.List(cfg.HooksRetry), Headers: config.List(cfg.HooksHeaders),
	}
}

// outside returns the settings for backends outside this process, each with notices of its own.
func (l *appLogic) outside(cfg config.Config) router.OutsideOptions {
	o := terms(cfg)
	o.Log = l.log
	if cfg.HooksNotify != "" {
		o.Notices = router.NewNotices(router.NoticeOptions{Store: l.store, Most: cfg.HooksQueue, Log: l.log})
	}
	if l.desk != nil {
		o.Through = l.desk.Through
		l.desk.ShowQueue(o.Notices)
	}
	return o
}

// readLogic reads what of the settings package config does not know.
func readLogic(cfg config.Config) (events, claimable []router.Pattern, keys hooks.Keys, err error) {
	if events, err = router.ParsePatterns(cfg.HooksEvents); err != nil {
		return nil, nil, nil, fmt.Errorf("HOOKS_EVENTS: %w", err)
	}
	if claimable, err = router.ParsePatterns(cfg.WorkerEvents); err != nil {
		return nil, nil, nil, fmt.Errorf("WORKER_EVENTS: %w", err)
	}
	if cfg.HooksSecret != "" {
		if keys, err = hooks.ParseKeys(string(cfg.HooksSecret)); err != nil {
			return nil, nil, nil, fmt.Errorf("HOOKS_SECRET: %w", err)
		}
	}
	return events, claimable, keys, nil
}

// openNotices opens the file that keeps what backends are told of clients that have left, and returns what is in it.
func (l *appLogic) openNotices(cfg config.Config) (kept []router.Notice, err error) {
	file, list, err := sqlite.OpenNotices(context.Background(), sqlite.NoticesOptions{Path: cfg.HooksDB, Log: l.log})
	if err != nil {
		return nil, fmt.Errorf("HOOKS_DB=%s: %s: %w", cfg.HooksDB, historyAdvice(cfg.HooksDB, err), err)
	}
	l.file, l.store = file, noticeFile{file}
	for _, k := range list {
		kept = append(kept, keptNotice(k))
	}
	return kept, nil
}

// notices returns who tells the backend of a namespace what nobody waits for; nil: nobody does. watched: all clients of / and
// /chat are HOOKS_URL's.
func (l *appLogic) notices(namespace string, watched bool) *router.Notices {
	asked := l.router.Asked(namespace)
	switch {
	case l.workers != nil && asked == router.Backend(l.workers):
		return l.workers.Notices()
	case asked != nil || watched && (namespace == "/" || namespace == "/chat"):
		return l.hooks.Notices()
	}
	return nil
}

// restore has what was kept told to whom clients of its namespace are let in by.
func (l *appLogic) restore(kept []router.Notice) {
	var ofHooks, ofWorkers []router.Notice
	for _, n := range kept {
		if l.people.Restore(n) {
			continue
		}
		if l.hooks == nil || l.workers != nil && l.router.Asked(n.Namespace) == router.Backend(l.workers) {
			ofWorkers = append(ofWorkers, n)
		} else {
			ofHooks = append(ofHooks, n)
		}
	}
	if l.hooks != nil {
		l.hooks.Restore(ofHooks)
	}
	if l.workers != nil {
		l.workers.Restore(ofWorkers)
	}
}

// before returns the handlers of namespaces behind the routes that name them, and that of workers.
func (l *appLogic) before(handlers map[string]app.Handler) map[string]app.Handler {
	if l == nil {
		return handlers
	}
	for name, h := range handlers {
		handlers[name] = l.router.Before(name, h)
	}
	if l.workers != nil {
		handlers[workers.Namespace] = l.workers.Handler()
	}
	return handlers
}

// setCall has workers call the API.
func (l *appLogic) setCall(call workers.Call) {
	if l != nil && l.workers != nil {
		l.workers.SetCall(call)
	}
}

// others returns who serves the namespaces that are the application's alone; nil: nobody does.
func (l *appLogic) others() func(string) app.Handler {
	if l == nil {
		return nil
	}
	return l.router.Others
}

// close ends what is with backends still. It is called when the last client has gone.
func (l *appLogic) close() {
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), logicCloseTimeout)
	defer cancel()
	l.router.Close(ctx)
	l.people.Close()
	if l.hooks != nil {
		l.hooks.Close(ctx)
	}
	if l.workers != nil {
		l.workers.Close(ctx)
	}
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			l.log.Error("notices could not be kept", "error", err)
		}
	}
}

// describeLogic shows on /metrics what went to the application's backend.
func describeLogic(m *server.Metrics, l *appLogic) {
	if l == nil {
		return
	}
	routed := func(name, help string, value func(router.Stats) float64) {
		m.Counter(name, help, func() float64 { return value(l.router.Stats()) })
	}
	routed("signalbox_logic_events_total", "Events that were handed to the application's backend.",
		func(s router.Stats) float64 { return float64(s.Events) })
	routed("signalbox_logic_seconds_total", "Time that these events were with it.",
		func(s router.Stats) float64 { return s.Time.Seconds() })
	routed("signalbox_logic_unavailable_total", "Events among them that were answered with unavailable.",
		func(s router.Stats) float64 { return float64(s.Unavailable) })
	routed("signalbox_logic_unknown_total", "Events that nobody owns.",
		func(s router.Stats) float64 { return float64(s.Unknown) })
	routed("signalbox_logic_refused_total", "Clients that the backend refused.",
		func(s router.Stats) float64 { return float64(s.Refused) })
	routed("signalbox_logic_turned_away_total", "Clients whose connection was closed, for the backend said nothing about them.",
		func(s router.Stats) float64 { return float64(s.TurnedAway) })
	routed("signalbox_logic_full_total", "Times that a client was made to wait because its own queue was full.",
		func(s router.Stats) float64 { return float64(s.Full) })
	if l.hooks != nil {
		describeHooks(m, l.hooks)
	}
	if l.workers != nil {
		describeWorkers(m, l.workers)
	}
}

func describeHooks(m *server.Metrics, h *hooks.Hooks) {
	counter := server.CountersOf(m, h.Stats)
	gauge := server.GaugesOf[hooks.Stats, int](m, h.Stats)
	counter("signalbox_hooks_requests_total", "Requests to HOOKS_URL, those for notices left out.", func(s hooks.Stats) uint64 { return s.Requests })
	counter("signalbox_hooks_failures_total", "Requests among them that brought no answer, or none that can be read.", func(s hooks.Stats) uint64 { return s.Failures })
	counter("signalbox_hooks_sent_events_total", "Events and questions that these requests brought.", func(s hooks.Stats) uint64 { return s.Events })
	m.Counter("signalbox_hooks_seconds_total", "Time that these requests took.", func() float64 { return h.Stats().Time.Seconds() })
	counter("signalbox_hooks_wrong_total", "Results that could not be carried out.", func(s hooks.Stats) uint64 { return s.Wrong })
	counter("signalbox_hooks_full_total", "Events for which there was no place in the queue.", func(s hooks.Stats) uint64 { return s.Full })
	counter("signalbox_hooks_retried_total", "Events that were sent again.", func(s hooks.Stats) uint64 { return s.Retried })
	counter("signalbox_hooks_admitted_late_total", "Clients that were let in without the backend.", func(s hooks.Stats) uint64 { return s.AdmittedLate })
	counter("signalbox_hooks_breaker_opened_total", "Times that the circuit breaker opened.", func(s hooks.Stats) uint64 { return s.Opened })
	counter("signalbox_hooks_notices_sent_total", "Notices that the backend was told.", func(s hooks.Stats) uint64 { return s.Notices.Sent })
	counter("signalbox_hooks_notices_failed_total", "Requests with notices that failed; they are sent again.", func(s hooks.Stats) uint64 { return s.Notices.Failed })
	counter("signalbox_hooks_notices_dropped_total", "Notices of who is there that were dropped for want of room.", func(s hooks.Stats) uint64 { return s.Notices.Dropped })
	counter("signalbox_hooks_notices_expired_total", "Notices that could not be told for a day.", func(s hooks.Stats) uint64 { return s.Notices.Expired })
	gauge("signalbox_hooks_requests_out", "Requests to HOOKS_URL now.", func(s hooks.Stats) int { return s.Out })
	gauge("signalbox_hooks_waiting", "Events that wait for a request now.", func(s hooks.Stats) int { return s.Waiting })
	gauge("signalbox_hooks_notices_waiting", "Notices that wait now.", func(s hooks.Stats) int { return s.Notices.Waiting })
	gauge("signalbox_hooks_breaker_open", "1 while the circuit breaker is open.", func(s hooks.Stats) int {
		if s.Open {
			return 1
		}
		return 0
	})
}

func describeWorkers(m *server.Metrics, w *workers.Workers) {
	counter := server.CountersOf(m, w.Stats)
	gauge := server.GaugesOf[workers.Stats, int](m, w.Stats)
	gauge("signalbox_workers", "Workers that are connected to this server now.", func(s workers.Stats) int { return s.Here })
	gauge("signalbox_workers_elsewhere", "Workers of other servers that serve clients of this one now.", func(s workers.Stats) int { return s.Elsewhere })
	gauge("signalbox_workers_events_out", "Events that are with workers now.", func(s workers.Stats) int { return s.Out })
	gauge("signalbox_workers_events_waiting", "Events that wait for a worker with 1,024 of them now.", func(s workers.Stats) int { return s.Waiting })
	counter("signalbox_workers_sent_events_total", "Events and questions that were sent to workers.", func(s workers.Stats) uint64 { return s.Sent })
	counter("signalbox_workers_late_total", "What was sent and not answered in time.", func(s workers.Stats) uint64 { return s.Late })
	counter("signalbox_workers_lost_total", "Events that were with a worker when it left.", func(s workers.Stats) uint64 { return s.Died })
	counter("signalbox_workers_full_total", "Events for which there was no place.", func(s workers.Stats) uint64 { return s.Full })
	counter("signalbox_workers_wrong_total", "Results that could not be carried out.", func(s workers.Stats) uint64 { return s.Wrong })
	counter("signalbox_workers_retried_total", "Events that were sent again.", func(s workers.Stats) uint64 { return s.Retried })
	counter("signalbox_workers_refused_total", "Connections to /backend that were refused.", func(s workers.Stats) uint64 { return s.Refused })
	counter("signalbox_workers_calls_total", "Calls of the API by workers.", func(s workers.Stats) uint64 { return s.Calls })
	gauge("signalbox_workers_notices_waiting", "Notices that wait for a worker now.", func(s workers.Stats) int { return s.Notices.Waiting })
}
