package engine

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// compressBytes is the size from which the response to a poll is compressed if the client accepts it.
const compressBytes = 1024

// compressor is what gzip.Writer and zlib.Writer have in common.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

// compressors lends writers by content coding. The fastest level: payloads are JSON that is read at once and thrown
// away.
//
// Rule: "deflate" means the zlib format (RFC 9110 section 8.4.1.2).
var compressors = map[string]*sync.Pool{
	"gzip": {New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		return w
	}},
	"deflate": {New: func() any {
		w, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed) // the level is valid
		return w
	}},
}

// compress writes body to out in a coding of [acceptedCoding].
func compress(out *bytes.Buffer, coding string, body []byte) error {
	pool := compressors[coding]
	w := pool.Get().(compressor)
	defer pool.Put(w)
	w.Reset(out)
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.Close()
}

// acceptedCoding returns the coding that a client prefers among ours, gzip where it does not care, or "".
func acceptedCoding(h http.Header) string {
	accept := h["Accept-Encoding"]
	gz, df := CodingWeight(accept, "gzip"), CodingWeight(accept, "deflate")
	switch {
	case gz <= 0 && df <= 0:
		return ""
	case df > gz:
		return "deflate"
	default:
		return "gzip"
	}
}

// CodingWeight returns the weight that lines of Accept-Encoding give a coding, by name or by *; 0: it is not accepted.
//
// Rule: RFC 9110 section 12.5.3.
func CodingWeight(accept []string, coding string) float64 {
	star := 0.0
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case coding:
				return parseWeight(params)
			case "*":
				star = parseWeight(params)
			}
		}
	}
	return star
}

// parseWeight reads the parameters of a coding: without a weight it is 1, one that cannot be read is 0.
func parseWeight(params string) float64 {
	name, value, _ := strings.Cut(params, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return weight
}
