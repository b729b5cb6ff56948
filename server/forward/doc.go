// Package forward lets clients that poll come to any server of a cluster: a request for a session of another server,
// whose id names it, is passed on there, once, and a websocket that takes a session over goes through as a stream of
// bytes.
//
// The server that has the session is told who asks, the caller's address and Origin among that, in a header that is
// signed with a key which all servers have from Redis. It then treats the request as one that came to itself. The
// package knows HTTP and nothing of packets; who the other servers are, and the key, it is given.
package forward
