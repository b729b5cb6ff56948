// Package bson stands in for the BSON of gin's Context.Bind and render.BSON, which signalbox does not use; see the README
// beside it.
package bson

import "errors"

var errNoBSON = errors.New("bson: this program is built without gin's BSON")

// Marshal always fails.
func Marshal(any) ([]byte, error) { return nil, errNoBSON }

// Unmarshal always fails.
func Unmarshal([]byte, any) error { return errNoBSON }
