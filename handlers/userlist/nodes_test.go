package userlist_test

import (
	"context"
	"testing"

	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/store"
)

// owned is a store that notes which users are made this node's.
type owned struct {
	*store.Memory
	moved []store.User
}

func (o *owned) MoveUser(_ context.Context, u store.User) error {
	o.moved = append(o.moved, u)
	return nil
}

func (*owned) Forget(string) {}

// TestAUserWhoStaysIsThisNodesAgain: another node, to which the client has not gone after all, has made it its own in the store.
func TestAUserWhoStaysIsThisNodesAgain(t *testing.T) {
	users := &owned{Memory: store.NewMemory()}
	w := testkit.NewWorld(t, testkit.RootOptions{Users: users, Clustered: true})
	a := w.Connect(t, "a")
	a.Session.(app.Packer).Pack()
	a.Session.(app.Stayer).Stayed()
	if len(users.moved) != 0 {
		t.Errorf("moved %v, who is nobody", users.moved)
	}
	a.Login("Ann", "r")
	a.Session.(app.Packer).Pack()
	a.Session.(app.Stayer).Stayed()
	if want := (store.User{ID: "a", Name: "Ann", Room: "r"}); len(users.moved) != 1 || users.moved[0] != want {
		t.Errorf("moved %v, want %v", users.moved, want)
	}
	a.Session.Close("")
}
