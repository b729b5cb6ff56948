package userlist

import (
	"signalbox/server/hub"
	"signalbox/store"
)

const (
	ListInterval  = listInterval
	PromptUsers   = promptUsers
	RetryInterval = retryInterval
	ListBurst     = listBurst
	ListRate      = listRate
)

// Lists returns how many rooms the chat knows.
func (c *Chat) Lists() int {
	c.lists.mu.Lock()
	defer c.lists.mu.Unlock()
	return len(c.lists.rooms)
}

// Told is what another node has called.
func (c *Chat) Told(room string) { c.lists.told([]byte(room)) }

// ListMessage is a list that has no list before it.
func ListMessage(users []store.User) *hub.Message { return listMessage(users) }
