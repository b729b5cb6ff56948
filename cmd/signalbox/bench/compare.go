package bench

import (
	"context"
	"errors"
	"io"
)

func runCompare(context.Context, []string, io.Writer, io.Writer) error { return errors.New("x") }
