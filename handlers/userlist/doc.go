// Package userlist owns the chat on "/": rooms with users who have logged in under a name, and the list of its users that each
// room gets. Its rooms are others than those of package rooms.
package userlist
