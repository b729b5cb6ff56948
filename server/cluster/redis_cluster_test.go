package cluster

import (
	"fmt"
	"testing"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// On a Redis Cluster each node may receive from another of its nodes, and channels of the sharded mode lie on all of them.
func TestOnARedisCluster(t *testing.T) {
	r := redistest.StartCluster(t, 3, false)
	for name, o := range map[string][]nodeOption{"classic": nil, "sharded": {sharded}, "streams": {streams}} {
		t.Run(name, func(t *testing.T) {
			nodes := []*node{startNode(t, r, o...), startNode(t, r, o...), startNode(t, r, o...)}
			meet(t, nodes...)
			for i := range 30 {
				here, there := nodes[i%3], nodes[(i+1)%3]
				rooms := []hub.Room{{Kind: hub.KindUser, Name: fmt.Sprint("u", i)}, {Kind: hub.KindRoom, Name: fmt.Sprint("r", i)}}
				user, member := here.join("user", rooms[0]), here.join("member", rooms[1])
				for n := range 20 {
					there.hub.Send(rooms[0], event("/", "x", fmt.Sprint(n)))
				}
				for n := range 20 {
					user.want(t, fmt.Sprint("x ", n))
				}
				if n, complete := sum(t, there, rooms[1], event("/chat", "y")); n != 1 || !complete {
					t.Errorf("delivered to %d, complete %v, want 1 and true", n, complete)
				}
				member.want(t, "y")
			}
			nodes[0].Join("/", single(hub.Room{Kind: hub.KindUser, Name: "u1"}), []string{"r"})
			for _, n := range nodes {
				if count := n.ServerCount(t.Context(), "/"); count != 3 {
					t.Errorf("ServerCount = %d, want 3", count)
				}
				if sockets, err := n.FetchSockets(t.Context(), "/", hub.Selection{}); err != nil || len(sockets) == 0 {
					t.Errorf("FetchSockets = %v, %v", sockets, err)
				}
				if n.Stats().Foreign != 0 {
					t.Error("a signalbox node is taken for a server of another kind")
				}
			}
			if n, complete := sum(t, nodes[0], hub.Room{Kind: hub.KindUser, Name: "nobody"}, event("/", "z")); n != 0 || !complete {
				t.Errorf("delivered to %d, complete %v, want nobody", n, complete)
			}
		})
	}
}
