// Package adminui is the namespace /admin, to which the page of @socket.io/admin-ui connects: who is connected to which server,
// in which rooms, what is sent, and commands to socket ids and rooms. It is what instrument() is to a Node server, and shares a
// cluster with that: what happens is broadcast to everybody in /admin, on all servers.
//
// An [Admin] is an [app.Handler]. In development mode it is also what watches the clients of the Socket.IO server
// ([socketio.Watch]). While nobody has signed in anywhere in the cluster it computes nothing and sends nothing.
package adminui
