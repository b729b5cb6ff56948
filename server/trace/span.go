package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind is which side of a call a span is of.
type Kind uint8

// Rule: SpanKind of https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
const (
	Server Kind = 2 // who answers
	Client Kind = 3 // who asks
)

const (
	// maxTextBytes bounds the text of an attribute: clients choose the names of events.
	maxTextBytes = 128
	// maxLinks bounds the other spans that one names.
	maxLinks = 128
)

// Span is something that takes time. It belongs to one goroutine at a time, until End; Child and Link to it may be used from
// others meanwhile. A nil Span is none.
type Span struct {
	tracer *Tracer
	data   data
}

// Start begins a trace, for what happens in a namespace; nil: it is not among the sampled ones.
func (t *Tracer) Start(kind Kind, what, namespace string) *Span {
	if t == nil {
		return nil
	}
	trace, sampled := t.sample()
	if !sampled {
		return nil
	}
	s := t.begin(kind, what+" "+namespace, trace, spanID{})
	s.SetText("signalbox.namespace", namespace)
	return s
}

// Continue begins a span in the trace of a request, nil where its caller does not sample that. Without a trace it is as
// Start. The caller decides how much is told, so it must be one that is trusted.
func (t *Tracer) Continue(kind Kind, name string, header http.Header) *Span {
	if t == nil {
		return nil
	}
	if lines := header[traceparent]; len(lines) == 1 {
		if trace, parent, sampled, ok := parseParent(lines[0]); ok {
			if !sampled {
				return nil
			}
			return t.begin(kind, name, trace, parent)
		}
	}
	trace, sampled := t.sample()
	if !sampled {
		return nil
	}
	return t.begin(kind, name, trace, spanID{})
}

// sample returns the id of a new trace, where it is one of those that are told of: by its last bytes, as other samplers of a
// ratio decide.
func (t *Tracer) sample() (id traceID, sampled bool) {
	random := rand.Uint64()
	if random>>1 >= t.threshold {
		return id, false
	}
	binary.BigEndian.PutUint64(id[:8], rand.Uint64()|1) // 0 is none
	binary.BigEndian.PutUint64(id[8:], random)
	return id, true
}

func (t *Tracer) begin(kind Kind, name string, trace traceID, parent spanID) *Span {
	s := &Span{tracer: t, data: data{TraceID: trace, ParentSpanID: parent, Name: name, Kind: kind, Start: time.Now().UnixNano()}}
	binary.BigEndian.PutUint64(s.data.SpanID[:], rand.Uint64()|1) // 0 is none
	return s
}

// Child begins a span within s.
func (s *Span) Child(kind Kind, name string) *Span {
	if s == nil {
		return nil
	}
	return s.tracer.begin(kind, name, s.data.TraceID, s.data.SpanID)
}

// Link says that s is about what other is about, too.
func (s *Span) Link(other *Span) {
	if s != nil && other != nil && len(s.data.Links) < maxLinks {
		s.data.Links = append(s.data.Links, link{other.data.TraceID, other.data.SpanID})
	}
}

// SetText adds an attribute. It keeps a copy of 128 bytes.
func (s *Span) SetText(name, what string) {
	if s != nil {
		s.data.Attributes = append(s.data.Attributes, text(name, strings.Clone(what[:min(len(what), maxTextBytes)])))
	}
}

// SetNumber adds an attribute.
func (s *Span) SetNumber(name string, n int) {
	if s != nil {
		number := int64(n)
		s.data.Attributes = append(s.data.Attributes, attribute{name, value{Number: &number}})
	}
}

// SetStatus adds the status of an answer by HTTP; it is a fault from so many on.
func (s *Span) SetStatus(code, fault int) {
	s.SetNumber("http.response.status_code", code)
	if code >= fault {
		s.Fail(strconv.Itoa(code))
	}
}

// Fail says that it failed, and by which kind of fault.
func (s *Span) Fail(kind string) {
	if s != nil {
		s.data.Status.Code = statusError
		s.SetText("error.type", kind)
	}
}

// End ends the span, which goes to the collector. It never blocks.
func (s *Span) End() {
	if s == nil {
		return
	}
	s.data.End = time.Now().UnixNano()
	select {
	case s.tracer.queue <- s:
	default:
		s.tracer.dropped.Add(1)
	}
}

type spanKey struct{}

// In returns ctx with the span in it.
func (s *Span) In(ctx context.Context) context.Context {
	if s == nil {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, s)
}

// Of returns the span in ctx, nil for none.
func Of(ctx context.Context) *Span {
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}

// traceparent is the header that takes a trace on.
//
// Rule: https://www.w3.org/TR/trace-context/#traceparent-header
const traceparent = "Traceparent"

// Inject has a request go on with the trace.
func (s *Span) Inject(header http.Header) {
	if s != nil {
		header[traceparent] = []string{"00-" + hex.EncodeToString(s.data.TraceID[:]) + "-" + hex.EncodeToString(s.data.SpanID[:]) + "-01"}
	}
}

// parseParent reads a header. That of a later version may have more behind what is known.
func parseParent(text string) (trace traceID, parent spanID, sampled, ok bool) {
	const size = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(text) < size || text != strings.ToLower(text) || text[2] != '-' || text[35] != '-' || text[52] != '-' ||
		len(text) > size && (text[:2] == "00" || text[size] != '-') {
		return trace, parent, false, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		into []byte
		text string
	}{{version[:], text[:2]}, {trace[:], text[3:35]}, {parent[:], text[36:52]}, {flags[:], text[53:size]}} {
		if _, err := hex.Decode(part.into, []byte(part.text)); err != nil {
			return trace, parent, false, false
		}
	}
	ok = version[0] != 0xff && trace != traceID{} && parent != spanID{}
	return trace, parent, flags[0]&1 != 0, ok
}
