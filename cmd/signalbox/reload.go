package main

import (
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"signalbox/config"
	"signalbox/server"
)

// reloader reads the settings again at every SIGHUP, and takes those that need no restart.
type reloader struct {
	env   environment
	srv   *server.Server
	level *slog.LevelVar
	log   *slog.Logger
	// given are the settings as they were set, in force those with what was made up for the run.
	given, inForce config.Config

	hup  chan os.Signal
	done chan struct{}
}

// start listens to SIGHUP until stop.
func (r *reloader) start() {
	r.hup, r.done = make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(r.hup, syscall.SIGHUP)
	go func() { // awaited by stop
		defer close(r.done)
		for range r.hup {
			r.reload()
		}
	}()
}

func (r *reloader) stop() {
	signal.Stop(r.hup)
	close(r.hup)
	<-r.done
}

// reload takes what has changed. Where one of the settings cannot be used nothing changes.
func (r *reloader) reload() {
	next, _, err := readSettings(r.env)
	if err == nil {
		err = checkParts(next)
	}
	if err != nil {
		r.log.Error("settings that cannot be used: nothing has changed", "error", err)
		return
	}
	given, took, waits := r.given.Reloaded(next)
	inForce, _, _ := r.inForce.Reloaded(given)
	if err := r.srv.Reload(inForce); err != nil {
		r.log.Error("a certificate that cannot be used: nothing has changed", "error", err)
		return
	}
	r.given, r.inForce = given, inForce
	r.level.Set(inForce.LogLevel)
	r.log.Info("settings were read again", "took", strings.Join(took, " "), "needRestart", strings.Join(waits, " "))
}
