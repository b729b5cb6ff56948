package message

import "signalbox/server/hub"

const (
	// RootNamespace is where the broker and the user lists are, and ChatNamespace where rooms are.
	RootNamespace = "/"
	ChatNamespace = "/chat"
)

// Update and Broadcast are where the listeners of the channels of these names are.
var (
	Update    = hub.Room{Kind: hub.KindTopic, Name: "update"}
	Broadcast = hub.Room{Kind: hub.KindTopic, Name: "broadcast"}
)

// Account is where the clients are that a token says to be this user.
func Account(userID string) hub.Room { return hub.Room{Kind: hub.KindAccount, Name: userID} }
