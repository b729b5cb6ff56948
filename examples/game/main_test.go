package main

import (
	"testing"

	"signalbox/examples/exampletest"
	"signalbox/handlers/testkit"
)

func TestGame(t *testing.T) {
	url := exampletest.Run(t, newServer)
	ann, bob, eve := testkit.Dial(t, url), testkit.Dial(t, url), testkit.Dial(t, url)
	eve.Send("40/game,")
	eve.Want(`44/game,{"message":"say who you are"}`)
	ann.Join("/game", `{"name":"ann"}`)
	bob.Join("/game", `{"name":"bob"}`)
	ann.Send(`42/game,1["join",{"game":"g"}]`)
	ann.Want(`43/game,1[{"board":["","","","","","","","",""],"players":["ann"],"turn":""}]`)
	ann.Send(`42/game,2["move",{"field":0}]`)
	ann.Want(`43/game,2[{"ok":false,"error":"it is not your turn"}]`)
	bob.Send(`42/game,1["join",{"game":"g"}]`)
	ann.Want(`42/game,["moved",{"board":["","","","","","","","",""],"players":["ann","bob"],"turn":"ann"}]`)
	bob.Read()
	for _, field := range []string{"0", "4"} {
		ann.Send(`42/game,3["move",{"field":` + field + `}]`)
		ann.Read()
		bob.Read()
		bob.Send(`42/game,3["move",{"field":` + field + `}]`)
		bob.Want(`43/game,3[{"ok":false,"error":"field ` + field + ` is not free"}]`)
		bob.Send(`42/game,4["move",{"field":1` + `}]`)
		if field == "4" {
			bob.Want(`43/game,4[{"ok":false,"error":"field 1 is not free"}]`)
			bob.Send(`42/game,4["move",{"field":2}]`)
		}
		bob.Read()
		ann.Read()
	}
	ann.Send(`42/game,5["move",{"field":8}]`)
	ann.Want(`43/game,5[{"board":["ann","bob","bob","","ann","","","","ann"],"players":["ann","bob"],"turn":"","winner":"ann"}]`)
	bob.Read()
	ann.Cut()
	bob.Want(`42/game,["left","ann"]`)
}
