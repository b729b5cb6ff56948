// Package workers asks backends that connect to this server: clients of the namespace [Namespace] with a key of their own, who
// claim events by patterns. In a cluster each of them serves the clients of all nodes.
//
// It knows nothing of what is asked, which is the router's, nor of the API whose calls come the same way.
package workers
