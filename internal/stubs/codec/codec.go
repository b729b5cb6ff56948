// Package codec stands in for the msgpack codec of gin's Context.Bind and render.MsgPack, which signalbox does not use; see
// the README beside it.
package codec

import (
	"errors"
	"io"
)

var errNoCodec = errors.New("codec: this program is built without gin's msgpack")

// MsgpackHandle is named by gin.
type MsgpackHandle struct{}

// Decoder always fails.
type Decoder struct{}

// NewDecoder makes one that fails.
func NewDecoder(io.Reader, *MsgpackHandle) *Decoder { return &Decoder{} }

// Decode always fails.
func (*Decoder) Decode(any) error { return errNoCodec }

// Encoder always fails.
type Encoder struct{}

// NewEncoder makes one that fails.
func NewEncoder(io.Writer, *MsgpackHandle) *Encoder { return &Encoder{} }

// Encode always fails.
func (*Encoder) Encode(any) error { return errNoCodec }
