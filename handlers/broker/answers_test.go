package broker

import (
	"encoding/json"
	"slices"
	"testing"

	"signalbox/server/app"
)

// answered notes what was answered to which callback.
type answered []string

func (a *answered) Answer(id string, args ...any) {
	*a = append(*a, id+string(args[0].(json.RawMessage)))
}

func TestAnswersKeepTheOrderOfEvents(t *testing.T) {
	var got answered
	var a answers
	ack := func(id string) app.Acker { return app.NewAcker(&got, id) }
	a.send(ack("1"), json.RawMessage("at once"))
	two, three := a.expect(ack("2")), a.expect(ack("3"))
	a.send(ack("4"), json.RawMessage("known"))
	a.send(app.Acker{}, json.RawMessage("nobody listens"))
	five := a.expect(ack("5"))
	a.settle(three, json.RawMessage("early"))
	if want := (answered{"1at once"}); !slices.Equal(got, want) {
		t.Fatalf("answered %q, want %q", got, want)
	}
	a.settle(two, json.RawMessage("late"))
	if want := (answered{"1at once", "2late", "3early", "4known"}); !slices.Equal(got, want) {
		t.Fatalf("answered %q, want %q", got, want)
	}
	a.settle(five, json.RawMessage("last"))
	a.send(ack("6"), json.RawMessage("at once"))
	if want := (answered{"1at once", "2late", "3early", "4known", "5last", "6at once"}); !slices.Equal(got, want) {
		t.Fatalf("answered %q, want %q", got, want)
	}
	if a.waiting != nil {
		t.Errorf("%d answers wait", len(a.waiting))
	}
}
