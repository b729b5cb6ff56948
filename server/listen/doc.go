// Package listen opens what the server accepts connections on, and knows what stands before HTTP on them: the header of a
// proxy, TLS and its certificates. It knows nothing of what is served.
package listen
