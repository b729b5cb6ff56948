package redislink

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unsafe"
)

const (
	// readerBytes is the size of a read buffer, and so the most that a line of Redis may take.
	readerBytes = 32 << 10
	// maxBulkBytes is more than Redis sends in one piece (proto-max-bulk-len).
	maxBulkBytes = 1 << 30
	// grownBytes is from where on the memory of a text is taken as the text arrives.
	grownBytes = 1 << 20
	// maxDepth is how many arrays a reply may have within each other.
	maxDepth = 8
)

// Error is what Redis has answered in place of a reply.
type Error string

func (e Error) Error() string { return string(e) }

// reader reads RESP 2, for one goroutine at a time.
//
// Rule: [RESP].
//
// [RESP]: https://redis.io/docs/latest/develop/reference/protocol-spec/
type reader struct{ *bufio.Reader }

func newReader(r io.Reader) reader { return reader{bufio.NewReaderSize(r, readerBytes)} }

// line returns the next line without its end: one byte at least. It is valid until the next read.
func (r reader) line() ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errProtocol
	}
	if err != nil {
		return nil, err
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
	if len(line) == 0 {
		return nil, errProtocol
	}
	return line, nil
}

// value returns the next reply: a string, an int64, an []any, an [Error], or nil for what is not there. err says that nothing
// can be read any more.
func (r reader) value() (any, error) { return r.nested(0) }

func (r reader) nested(depth int) (any, error) {
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	switch line[0] {
	case '+':
		return string(line[1:]), nil
	case '-':
		return Error(line[1:]), nil
	case ':':
		n, err := strconv.ParseInt(view(line[1:]), 10, 64)
		if err != nil {
			return nil, errProtocol
		}
		return n, nil
	case '$':
		n, err := bulkLength(line)
		if n < 0 || err != nil {
			return nil, err
		}
		text, err := r.bulk(n)
		return view(text), err
	case '*':
		return r.array(line, depth)
	}
	return nil, errProtocol
}

func (r reader) array(head []byte, depth int) (any, error) {
	n, err := strconv.Atoi(view(head[1:]))
	switch {
	case n == -1 && err == nil:
		return nil, nil
	case err != nil || n < 0 || depth == maxDepth:
		return nil, errProtocol
	}
	list := make([]any, 0, min(n, 1024))
	for range n {
		item, err := r.nested(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// bulkLength reads the line before a text: how long that is, -1 where there is none.
func bulkLength(head []byte) (int, error) {
	if head[0] != '$' {
		return 0, errProtocol
	}
	n, err := strconv.Atoi(view(head[1:]))
	if err != nil || n < -1 || n > maxBulkBytes {
		return 0, errProtocol
	}
	return n, nil
}

// bulk returns a text of n bytes; below zero there is none.
func (r reader) bulk(n int) (text []byte, err error) {
	if n < 0 {
		return nil, nil
	}
	if n <= grownBytes {
		text = make([]byte, n)
		_, err = io.ReadFull(r, text)
	} else if text, err = io.ReadAll(io.LimitReader(r, int64(n))); err == nil && len(text) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return text, r.end()
}

// end reads the end of a text.
func (r reader) end() error {
	end, err := r.Peek(2)
	if err != nil {
		return err
	}
	if end[0] != '\r' || end[1] != '\n' {
		return errProtocol
	}
	_, err = r.Discard(2)
	return err
}

// again returns the next text, or number, as *last where it is that: then it costs no memory.
func (r reader) again(last *string) (string, error) {
	head, err := r.line()
	if err != nil {
		return "", err
	}
	if head[0] == ':' {
		return string(head[1:]), nil
	}
	n, err := bulkLength(head)
	if err != nil {
		return "", err
	}
	if n == len(*last) && n < readerBytes {
		text, err := r.Peek(n)
		if err != nil {
			return "", err
		}
		if string(text) == *last {
			_, _ = r.Discard(n) // it is there
			return *last, r.end()
		}
	}
	text, err := r.bulk(n)
	if err == nil {
		*last = view(text)
	}
	return *last, err
}

// appendCommand writes a command.
func appendCommand(b []byte, args ...any) []byte {
	b = appendArray(b, len(args))
	for _, arg := range args {
		b = appendArg(b, arg)
	}
	return b
}

// appendArg writes an argument: a text or a number, or a pointer to one, which costs no memory to pass.
func appendArg(b []byte, arg any) []byte {
	switch arg := arg.(type) {
	case string:
		return appendBulk(b, arg)
	case []byte:
		return appendBulk(b, view(arg))
	case *string:
		return appendBulk(b, *arg)
	case int:
		return appendNumber(b, int64(arg))
	case int64:
		return appendNumber(b, arg)
	case *int64:
		return appendNumber(b, *arg)
	}
	return appendBulk(b, fmt.Sprint(arg))
}

func appendNumber(b []byte, n int64) []byte {
	var digits [20]byte
	return appendBulk(b, view(strconv.AppendInt(digits[:0], n, 10)))
}

// appendArray and appendBulk write the beginning of a command, and one of its arguments.
func appendArray(b []byte, n int) []byte {
	b = strconv.AppendInt(append(b, '*'), int64(n), 10)
	return append(b, '\r', '\n')
}

func appendBulk(b []byte, text string) []byte {
	b = strconv.AppendInt(append(b, '$'), int64(len(text)), 10)
	b = append(append(b, '\r', '\n'), text...)
	return append(b, '\r', '\n')
}

// view reads bytes that nobody changes any more as a string.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
