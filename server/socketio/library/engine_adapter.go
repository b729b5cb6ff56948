package library

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"

	eioparser "github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/config"
	eio "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"

	"signalbox/server/socketio"
)

// This file is what the library sees of our engine: [engineServer] for its engine.BaseServer, [clientConn] for its
// engine.Socket. Methods that only the library's own engine calls on itself do nothing here.

// errOwnEngine answers calls that only make sense inside the library's own engine.
var errOwnEngine = errors.New("signalbox serves its own engine")

// engineServer is the engine as Server.Bind takes it. The library may ask it for the number of connections.
type engineServer struct {
	listeners
	count func() uint64
}

var _ eio.BaseServer = (*engineServer)(nil)

func (e *engineServer) Prototype(eio.BaseServer)            {}
func (e *engineServer) Proto() eio.BaseServer               { return e }
func (e *engineServer) Opts() config.ServerOptionsInterface { return config.DefaultServerOptions() }
func (e *engineServer) Clients() *types.Map[string, eio.Socket] {
	return new(types.Map[string, eio.Socket])
}
func (e *engineServer) ClientsCount() uint64                             { return e.count() }
func (e *engineServer) Middlewares() []eio.Middleware                    { return nil }
func (e *engineServer) Construct(any)                                    {}
func (e *engineServer) Init()                                            {}
func (e *engineServer) ComputePath(config.AttachOptionsInterface) string { return socketio.Path }
func (e *engineServer) Use(eio.Middleware)                               {}
func (e *engineServer) Cleanup()                                         {}
func (e *engineServer) ApplyMiddlewares(_ *types.HttpContext, next func(error)) {
	next(nil)
}
func (e *engineServer) Upgrades(transport string) *types.Set[string] {
	if transport == transports.POLLING {
		return types.NewSet(transports.WEBSOCKET)
	}
	return types.NewSet[string]()
}
func (e *engineServer) Verify(*types.HttpContext, bool) (*types.CodeMessage, map[string]any) {
	return eio.BAD_REQUEST, nil
}
func (e *engineServer) GenerateId(*types.HttpContext) (string, error) { return "", errOwnEngine }
func (e *engineServer) Handshake(string, *types.HttpContext) (*types.CodeMessage, transports.Transport) {
	return eio.BAD_REQUEST, nil
}
func (e *engineServer) CreateTransport(string, *types.HttpContext) (transports.Transport, error) {
	return nil, errOwnEngine
}
func (e *engineServer) Close() eio.BaseServer { return e } // the engine is shut down by whoever owns the server

// clientConn is the connection of one client in one namespace, which the library takes for a connection of its own.
type clientConn struct {
	listeners // the library's, on "data", "error" and "close"

	// Static after construction.
	client  socketio.Client
	session *session
}

var _ eio.Socket = (*clientConn)(nil)

func (c *clientConn) Construct(string, eio.BaseServer, transports.Transport, *types.HttpContext, int) {
}
func (c *clientConn) SetReadyState(string)              {}
func (c *clientConn) MaybeUpgrade(transports.Transport) {}
func (c *clientConn) Upgrading() bool                   { return false }
func (c *clientConn) Upgraded() bool                    { return c.client.Connection().Upgraded() }
func (c *clientConn) Protocol() int                     { return 4 }
func (c *clientConn) Id() string                        { return c.client.Connection().ID() }
func (c *clientConn) RemoteAddress() string             { return c.client.Connection().RemoteAddr() }
func (c *clientConn) Transport() transports.Transport   { return transportFace{c: c} }

// ReadyState returns "open" until the client has left: the library writes and connects only while it is.
func (c *clientConn) ReadyState() string {
	if c.client.Closed() {
		return "closed"
	}
	return "open"
}

// Request returns the request that opened the connection, made up anew from the engine's small copy: the live one, its
// buffers and its context ended with the handshake.
func (c *clientConn) Request() *types.HttpContext {
	connection := c.client.Connection()
	from := connection.Request()
	r := &http.Request{Method: http.MethodGet, URL: new(url.URL), Header: from.Header, Host: from.Header.Get("Host"),
		RequestURI: from.URL, RemoteAddr: connection.RemoteAddr()}
	r.URL.Path = socketio.Path
	r.URL.RawQuery = from.Query().Encode()
	if from.Secure {
		r.TLS = new(tls.ConnectionState)
	}
	request := types.NewHttpContext(noResponse{}, r)
	request.Flush() // ends the goroutine that waits for the response to be written
	return request
}

// Send and Write queue what the library's Client encoded.
func (c *clientConn) Send(data io.Reader, o *eioparser.Options, done eio.SendCallback) eio.Socket {
	return c.Write(data, o, done)
}

func (c *clientConn) Write(data io.Reader, _ *eioparser.Options, done eio.SendCallback) eio.Socket {
	e, ok := data.(*encoded)
	if !ok {
		return c
	}
	switch e.packet.Type {
	case parser.CONNECT:
		c.session.accept()
	case parser.CONNECT_ERROR:
		c.client.Refuse(refusal(e.packet.Data))
	case parser.DISCONNECT:
		c.session.disconnect()
	default:
		c.client.Queue(e.message, false)
	}
	if done != nil {
		done(c.Transport())
	}
	return c
}

// Close ends the connection, and with it the client's other namespaces.
func (c *clientConn) Close(bool) {
	if c.session.isConnected() {
		c.client.Disconnect(true)
	}
}

// transportFace answers what the library's Client and applications ask of a transport: its name, and whether a volatile
// packet may go out now.
type transportFace struct {
	transports.Transport // nil: no one else calls it
	c                    *clientConn
}

func (t transportFace) Name() string   { return t.c.client.Connection().Transport().String() }
func (t transportFace) Writable() bool { return t.c.client.Connection().Writable() }
func (t transportFace) Sid() string    { return t.c.client.Connection().ID() }
func (t transportFace) Protocol() int  { return 4 }

// noResponse stands for the response of a handshake that is over.
type noResponse struct{}

func (noResponse) Header() http.Header         { return http.Header{} }
func (noResponse) Write(b []byte) (int, error) { return len(b), nil }
func (noResponse) WriteHeader(int)             {}
