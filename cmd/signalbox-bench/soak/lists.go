package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rules of lists. When nothing has been done for a while, the last list of users that a client of a chat room
// got, and what each server says of each room, is who is there: nobody is missing, and nobody is there who has
// gone.

// settle waits until everybody is in and the lists are right, and notes what is not.
func (w *world) settle(ctx context.Context) {
	begun := time.Now()
	for {
		wrong := w.unsettled(ctx)
		if len(wrong) == 0 || ctx.Err() != nil {
			break
		}
		if time.Since(begun) > w.options.patience {
			for _, text := range wrong {
				w.blame("%v after the last fault: %s", w.options.patience, text)
			}
			break
		}
		pause(ctx, 250*time.Millisecond)
	}
	if w.options.verbose {
		took := time.Since(begun).Round(time.Millisecond)
		fmt.Fprintf(w.log, "soak: %s round %d: settled after %v\n", clock(time.Now()), w.round, took)
	}
}

// member is one entry of a list of users.
type member struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	UserID string `json:"userId"`
}

// unsettled tells what is not yet as it should be.
func (w *world) unsettled(ctx context.Context) (wrong []string) {
	truth := make(map[string][]string) // by kind and room
	var lobbies []*session
	for _, a := range w.actors {
		s := a.current()
		if s == nil {
			return append(wrong, fmt.Sprintf("client %d (%v) is not connected", a.number, a.kind))
		}
		s.mu.Lock()
		in := !s.since.IsZero() && s.ended.IsZero()
		s.mu.Unlock()
		if !in {
			return append(wrong, fmt.Sprintf("%s is not in", s))
		}
		switch a.kind {
		case lobby:
			truth["lobby/"+a.place] = append(truth["lobby/"+a.place], a.user()+" "+s.socket)
			lobbies = append(lobbies, s)
		case room, text:
			truth["room/"+a.place] = append(truth["room/"+a.place], a.user())
		}
	}
	for key := range truth {
		slices.Sort(truth[key])
	}
	for _, s := range lobbies {
		s.mu.Lock()
		raw := s.users
		s.mu.Unlock()
		var list []member
		event := []any{nil, &list} // and perhaps an offset
		if err := json.Unmarshal(raw, &event); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s has no list", s))
			continue
		}
		var names []string
		for _, m := range list {
			names = append(names, m.Name+" "+m.ID)
		}
		wrong = appendDifference(wrong, "the list of "+s.String(), names, truth["lobby/"+s.entered])
	}
	for _, n := range w.town.nodes {
		for key, want := range truth {
			kind, place, _ := strings.Cut(key, "/")
			names, err := n.roomUsers(ctx, kind, place)
			if err != nil {
				return append(wrong, err.Error())
			}
			if kind == "lobby" { // the API has names
				want = slices.Clone(want)
				for i := range want {
					want[i], _, _ = strings.Cut(want[i], " ")
				}
			}
			wrong = appendDifference(wrong, fmt.Sprintf("what server %d says of %s", n.number, key), names, want)
		}
	}
	return wrong
}

// appendDifference appends how a list differs from a sorted one, if it does.
func appendDifference(wrong []string, what string, have, want []string) []string {
	slices.Sort(have)
	if slices.Equal(have, want) {
		return wrong
	}
	return append(wrong, fmt.Sprintf("%s is %q, and the truth %q", what, have, want))
}

// roomUsers asks a server who is in a room.
func (n *node) roomUsers(ctx context.Context, kind, place string) ([]string, error) {
	body, err := n.get(ctx, "http://"+n.addr()+"/api/rooms/"+place+"/users?kind="+kind)
	if err != nil {
		return nil, err
	}
	var said struct {
		Users    []member `json:"users"`
		Nameless int      `json:"nameless"`
		Partial  bool     `json:"partial"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, err
	}
	var names []string
	for _, u := range said.Users {
		if kind == "lobby" {
			names = append(names, u.Name)
		} else {
			names = append(names, u.UserID)
		}
	}
	if said.Nameless > 0 || said.Partial {
		names = append(names, fmt.Sprintf("nameless=%d partial=%v", said.Nameless, said.Partial))
	}
	return names, nil
}
