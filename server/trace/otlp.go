package trace

import (
	"encoding/hex"
	"encoding/json"
)

// statusError is the code of what failed; of what did not none is set.
const statusError = 2

type (
	traceID [16]byte
	spanID  [8]byte
)

// MarshalText implements [encoding.TextMarshaler]. Ids are hexadecimal, unlike other bytes in the JSON of protobuf.
func (id traceID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// MarshalText implements [encoding.TextMarshaler].
func (id spanID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// data is a span as OTLP has it: numbers of 64 bits are text.
//
// Rule: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
type data struct {
	TraceID      traceID     `json:"traceId"`
	SpanID       spanID      `json:"spanId"`
	ParentSpanID spanID      `json:"parentSpanId,omitzero"`
	Name         string      `json:"name"`
	Kind         Kind        `json:"kind"`
	Start        int64       `json:"startTimeUnixNano,string"`
	End          int64       `json:"endTimeUnixNano,string"`
	Attributes   []attribute `json:"attributes,omitempty"`
	Links        []link      `json:"links,omitempty"`
	Status       status      `json:"status,omitzero"`
}

type status struct {
	Code int `json:"code"`
}

type link struct {
	TraceID traceID `json:"traceId"`
	SpanID  spanID  `json:"spanId"`
}

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

type value struct {
	Text   *string `json:"stringValue,omitempty"`
	Number *int64  `json:"intValue,string,omitempty"`
}

func text(name, text string) attribute { return attribute{name, value{Text: &text}} }

// encode returns the body of a request to the collector.
func (t *Tracer) encode(batch []*Span) ([]byte, error) {
	spans := make([]*data, len(batch))
	for i, s := range batch {
		spans[i] = &s.data
	}
	type object = map[string]any
	return json.Marshal(object{"resourceSpans": []object{{
		"resource":   object{"attributes": t.resource},
		"scopeSpans": []object{{"scope": object{"name": "signalbox", "version": t.o.Version}, "spans": spans}},
	}}})
}
