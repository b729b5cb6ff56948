package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/store"
	"signalbox/store/redis"
	"signalbox/store/sqlite"
)

// This file keeps what backends are to be told over the end of the process: in a file, or where servers share Redis as notices
// that the others carry out.

// noticeFile keeps notices of hooks in a file.
type noticeFile struct{ *sqlite.Notices }

func (f noticeFile) Put(n router.Notice, done func(error)) {
	f.Notices.Put(sqlite.KeptNotice{ID: n.ID, Socket: n.Socket, Since: n.Since, Body: n.Body}, done)
}

func keptNotice(k sqlite.KeptNotice) router.Notice {
	n := router.Notice{ID: k.ID, Socket: k.Socket, Since: k.Since, Body: k.Body}
	if f, ok := rawjson.Fields(k.Body, "ns"); ok {
		n.Namespace, _ = rawjson.Text(f[0])
	}
	return n
}

const (
	// topicLogic is the topic of notices that are for the application's backend.
	topicLogic = "logic"
	// writtenTimeout bounds waiting until Redis has a notice.
	writtenTimeout = 2 * time.Second
)

// leftNotices keeps notices of hooks in Redis, where another server finds them when this one is gone. It is a
// [router.NoticeStore].
type leftNotices struct {
	node *redis.Node

	mu sync.Mutex
	// mu guards the following.
	kept    map[string]bool
	waiting []func(error) // for Redis to have what was put
	writing bool
}

func newLeftNotices(n *redis.Node) *leftNotices {
	return &leftNotices{node: n, kept: make(map[string]bool)}
}

// Put implements [router.NoticeStore].
func (l *leftNotices) Put(n router.Notice, done func(error)) {
	body, _ := rawjson.Marshal(sqlite.KeptNotice{ID: n.ID, Socket: n.Socket, Since: n.Since, Body: n.Body}) // of texts
	l.mu.Lock()
	defer l.mu.Unlock()
	l.node.AddNotice(store.LeaveNotice{Key: topicLogic + " " + n.ID, Topic: topicLogic, Body: body})
	if l.kept[n.ID] {
		l.node.WithdrawNotice(topicLogic + " " + n.ID) // one is left, as the newest is
	}
	l.kept[n.ID] = true
	if done == nil {
		return
	}
	l.waiting = append(l.waiting, done)
	if !l.writing {
		l.writing = true
		go l.await() // ends when nobody waits; each time has its timeout
	}
}

// await answers those who wait until nobody does.
func (l *leftNotices) await() {
	for {
		l.mu.Lock()
		list := l.waiting
		l.waiting = nil
		l.writing = len(list) > 0
		l.mu.Unlock()
		if len(list) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), writtenTimeout)
		err := l.node.Settle(ctx)
		cancel()
		for _, done := range list {
			done(err)
		}
	}
}

// Delete implements [router.NoticeStore].
func (l *leftNotices) Delete(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if l.kept[id] {
			delete(l.kept, id)
			l.node.WithdrawNotice(topicLogic + " " + id)
		}
	}
}

// takeOver has the backend told what a server has left that is gone. It returns the notices that are about something else.
func (l *appLogic) takeOver(ctx context.Context, notices []store.LeaveNotice) (others []store.LeaveNotice) {
	var kept []router.Notice
	for _, n := range notices {
		if n.Topic != topicLogic {
			others = append(others, n)
			continue
		}
		var k sqlite.KeptNotice
		if json.Unmarshal(n.Body, &k) == nil && l != nil {
			kept = append(kept, keptNotice(k))
		}
	}
	if len(kept) == 0 {
		return others
	}
	slices.SortStableFunc(kept, func(a, b router.Notice) int { // what is told of a socket's end comes last
		return cmp.Or(cmp.Compare(rank(a.ID), rank(b.ID)), a.Since.Compare(b.Since))
	})
	if l.store != nil { // what is taken over is this server's to leave
		written := make(chan error, 1)
		for i, n := range kept {
			if i < len(kept)-1 {
				l.store.Put(n, nil)
			} else {
				l.store.Put(n, func(err error) { written <- err })
			}
		}
		select {
		case <-written: // with an error it is written when Redis is back
		case <-ctx.Done():
		}
	}
	l.restore(kept)
	return others
}

func rank(id string) int {
	if strings.HasPrefix(id, "d.") {
		return 1
	}
	return 0
}

// returned is called when the others had taken this server for dead, and have told that its clients are gone: those that the
// backend let in are cut, and come back as new.
func (l *appLogic) returned() {
	if l == nil || l.store == nil {
		return
	}
	for _, everybody := range l.hub.Rooms(hub.KindEverybody) {
		asked := l.router.Asked(everybody.Name)
		if asked == nil || !asked.Remote() {
			continue
		}
		for _, m := range l.hub.Members(everybody) {
			app.Cut(m.Sink())
		}
	}
	l.people.Returned()
}
