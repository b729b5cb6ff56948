// Package payload reads what clients send without decoding it: the members of a JSON object as they stand, text and numbers as
// JavaScript has them, and the binary attachments that an argument refers to.
package payload
