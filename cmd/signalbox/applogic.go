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
	"signalbox/server"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store/sqlite"
)

// logicCloseTimeout bounds waiting for the application's backend when the server stops.
const logicCloseTimeout = 3 * time.Second

// appLogic is the application's own logic. A nil *appLogic is none.
type appLogic struct {
	router *router.Router
	hooks  *hooks.Hooks // nil without HOOKS_URL
}

// openLogic makes what HOOKS_URL stands for; nil without it.
func openLogic(cfg config.Config, h *hub.Hub, g *gate.Gate, log *slog.Logger) (*appLogic, error) {
	if cfg.HooksURL == "" {
		return nil, nil
	}
	patterns, keys, err := readLogic(cfg)
	if err != nil {
		return nil, err
	}
	notices, err := openNotices(cfg, log)
	if err != nil {
		return nil, err
	}
	l := &appLogic{hooks: hooks.New(hooks.Options{
		URL: cfg.HooksURL, Keys: keys, Concurrency: cfg.HooksConcurrency, Batch: cfg.HooksBatch,
		OutsideOptions: router.OutsideOptions{
			Timeout: cfg.HooksTimeout, ConnectWait: cfg.HooksConnectWait, Admit: cfg.HooksDown == "admit",
			Retry: config.List(cfg.HooksRetry), Headers: config.List(cfg.HooksHeaders), Notices: notices, Log: log,
		},
	})}
	o := router.Options{Hub: h, Token: gate.Token, Verify: g.Peek, Log: log}
	if notices != nil && len(patterns) == 0 {
		o.Watch = l.hooks
	}
	l.router = router.New(o)
	l.router.Route(router.RankHook, l.hooks, patterns...)
	return l, nil
}

// readLogic reads what of the settings package config does not know.
func readLogic(cfg config.Config) (patterns []router.Pattern, keys hooks.Keys, err error) {
	if patterns, err = router.ParsePatterns(cfg.HooksEvents); err != nil {
		return nil, nil, fmt.Errorf("HOOKS_EVENTS: %w", err)
	}
	if cfg.HooksSecret != "" {
		if keys, err = hooks.ParseKeys(string(cfg.HooksSecret)); err != nil {
			return nil, nil, fmt.Errorf("HOOKS_SECRET: %w", err)
		}
	}
	return patterns, keys, nil
}

// openNotices returns what tells the backend of clients that have left; nil where it does not want to know.
func openNotices(cfg config.Config, log *slog.Logger) (*router.Notices, error) {
	if cfg.HooksNotify == "" {
		return nil, nil
	}
	o := router.NoticeOptions{Most: cfg.HooksQueue, Log: log}
	if cfg.HooksDB != "" {
		file, kept, err := sqlite.OpenNotices(context.Background(), sqlite.NoticesOptions{Path: cfg.HooksDB, Log: log})
		if err != nil {
			return nil, fmt.Errorf("HOOKS_DB=%s: %s: %w", cfg.HooksDB, historyAdvice(cfg.HooksDB, err), err)
		}
		o.Store = noticeFile{file}
		for _, k := range kept {
			o.Kept = append(o.Kept, router.Notice{ID: k.ID, Socket: k.Socket, Since: k.Since, Body: k.Body})
		}
	}
	return router.NewNotices(o), nil
}

// noticeFile keeps notices of hooks in a file.
type noticeFile struct{ *sqlite.Notices }

func (f noticeFile) Put(n router.Notice, done func(error)) {
	f.Notices.Put(sqlite.KeptNotice{ID: n.ID, Socket: n.Socket, Since: n.Since, Body: n.Body}, done)
}

// before returns the handlers of namespaces behind the routes that name them.
func (l *appLogic) before(handlers map[string]app.Handler) map[string]app.Handler {
	if l != nil {
		for name, h := range handlers {
			handlers[name] = l.router.Before(name, h)
		}
	}
	return handlers
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
	l.hooks.Close(ctx)
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
	counter := func(name, help string, value func(hooks.Stats) uint64) {
		m.Counter(name, help, func() float64 { return float64(value(l.hooks.Stats())) })
	}
	gauge := func(name, help string, value func(hooks.Stats) int) {
		m.Gauge(name, help, func() float64 { return float64(value(l.hooks.Stats())) })
	}
	counter("signalbox_hooks_requests_total", "Requests to HOOKS_URL, those for notices left out.", func(s hooks.Stats) uint64 { return s.Requests })
	counter("signalbox_hooks_failures_total", "Requests among them that brought no answer, or none that can be read.", func(s hooks.Stats) uint64 { return s.Failures })
	counter("signalbox_hooks_sent_events_total", "Events and questions that these requests brought.", func(s hooks.Stats) uint64 { return s.Events })
	m.Counter("signalbox_hooks_seconds_total", "Time that these requests took.", func() float64 { return l.hooks.Stats().Time.Seconds() })
	counter("signalbox_hooks_wrong_total", "Results that could not be carried out.", func(s hooks.Stats) uint64 { return s.Wrong })
	counter("signalbox_hooks_full_total", "Events for which there was no place in the queue.", func(s hooks.Stats) uint64 { return s.Full })
	counter("signalbox_hooks_retried_total", "Events that were sent again.", func(s hooks.Stats) uint64 { return s.Retried })
	counter("signalbox_hooks_admitted_late_total", "Clients that were let in without the backend.", func(s hooks.Stats) uint64 { return s.AdmittedLate })
	counter("signalbox_hooks_breaker_opened_total", "Times that the circuit breaker opened.", func(s hooks.Stats) uint64 { return s.Opened })
	counter("signalbox_hooks_notices_sent_total", "Notices that the backend was told.", func(s hooks.Stats) uint64 { return s.Notices.Sent })
	counter("signalbox_hooks_notices_failed_total", "Requests with notices that failed; they are sent again.", func(s hooks.Stats) uint64 { return s.Notices.Failed })
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
