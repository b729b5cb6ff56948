// Package trace tells a collector how long calls of the API, events of clients and requests to the application's backend took, as
// OTLP in JSON over HTTP. A nil [*Tracer] is off: its methods, and those of the nil [*Span] that it gives, do nothing.
//
// A span says what was done, how long it took and how it ended. What clients and backends sent, who they are, tokens and
// addresses are never in it.
//
// Rules: [OTLP/HTTP] and [Trace Context].
//
// [OTLP/HTTP]: https://opentelemetry.io/docs/specs/otlp/#otlphttp
// [Trace Context]: https://www.w3.org/TR/trace-context/
package trace
