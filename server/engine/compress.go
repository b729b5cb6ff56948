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
//
// Rule: RFC 9110 section 12.5.3.
func acceptedCoding(h http.Header) string {
	quality := map[string]float64{}
	for _, value := range h["Accept-Encoding"] {
		for part := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(part, ";")
			quality[strings.ToLower(strings.TrimSpace(name))] = parseQuality(params)
		}
	}
	rate := func(coding string) float64 {
		if q, ok := quality[coding]; ok {
			return q
		}
		return quality["*"]
	}
	gz, df := rate("gzip"), rate("deflate")
	switch {
	case gz <= 0 && df <= 0:
		return ""
	case df > gz:
		return "deflate"
	default:
		return "gzip"
	}
}

func parseQuality(params string) float64 {
	name, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return q
}
