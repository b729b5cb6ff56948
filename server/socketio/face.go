package socketio

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"

	eioparser "github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/config"
	eio "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"

	"signalbox/server/engine"
)

// This file is what the library sees of our engine: [engineFace] for its engine.BaseServer, [conn] for its
// engine.Socket. Methods that only the library's own engine calls on itself do nothing here.

// engineFace is the engine as Server.Bind takes it. The library listens to its "connection" and may close it.
type engineFace struct {
	listeners
	count func() uint64
	close func()
}

var _ eio.BaseServer = (*engineFace)(nil)

func (f *engineFace) Prototype(eio.BaseServer)            {}
func (f *engineFace) Proto() eio.BaseServer               { return f }
func (f *engineFace) Opts() config.ServerOptionsInterface { return config.DefaultServerOptions() }
func (f *engineFace) Clients() *types.Map[string, eio.Socket] {
	return new(types.Map[string, eio.Socket])
}
func (f *engineFace) ClientsCount() uint64                             { return f.count() }
func (f *engineFace) Middlewares() []eio.Middleware                    { return nil }
func (f *engineFace) Construct(any)                                    {}
func (f *engineFace) Init()                                            {}
func (f *engineFace) ComputePath(config.AttachOptionsInterface) string { return Path }
func (f *engineFace) Use(eio.Middleware)                               {}
func (f *engineFace) Cleanup()                                         {}
func (f *engineFace) ApplyMiddlewares(_ *types.HttpContext, next func(error)) {
	next(nil)
}
func (f *engineFace) Upgrades(transport string) *types.Set[string] {
	if transport == transports.POLLING {
		return types.NewSet(transports.WEBSOCKET)
	}
	return types.NewSet[string]()
}
func (f *engineFace) Verify(*types.HttpContext, bool) (*types.CodeMessage, map[string]any) {
	return eio.BAD_REQUEST, nil
}
func (f *engineFace) GenerateId(*types.HttpContext) (string, error) { return "", errOwnEngine }
func (f *engineFace) Handshake(string, *types.HttpContext) (*types.CodeMessage, transports.Transport) {
	return eio.BAD_REQUEST, nil
}
func (f *engineFace) CreateTransport(string, *types.HttpContext) (transports.Transport, error) {
	return nil, errOwnEngine
}
func (f *engineFace) Close() eio.BaseServer {
	f.close()
	return f
}

var _ eio.Socket = (*conn)(nil)

func (c *conn) Construct(string, eio.BaseServer, transports.Transport, *types.HttpContext, int) {}
func (c *conn) SetReadyState(string)                                                            {}
func (c *conn) MaybeUpgrade(transports.Transport)                                               {}
func (c *conn) Upgrading() bool                                                                 { return false }
func (c *conn) Upgraded() bool                                                                  { return c.session.Upgraded() }
func (c *conn) Protocol() int                                                                   { return 4 }
func (c *conn) Id() string                                                                      { return c.session.ID() }
func (c *conn) RemoteAddress() string                                                           { return c.session.RemoteAddr() }
func (c *conn) Transport() transports.Transport                                                 { return transportFace{c: c} }

// ReadyState returns "open" until the connection is about to end: the library writes and connects only while it is.
func (c *conn) ReadyState() string {
	if c.closed.Load() {
		return "closed"
	}
	if c.closing.Load() {
		return "closing"
	}
	return "open"
}

// Request returns the request that opened the connection, made up anew from the engine's small copy: the live one, its
// buffers and its context ended with the handshake. The copy is kept until the first namespace is connected.
func (c *conn) Request() *types.HttpContext {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.request != nil {
		return c.request
	}
	from := c.session.Request()
	r := &http.Request{Method: http.MethodGet, URL: new(url.URL), Header: from.Header, Host: from.Header.Get("Host"),
		RequestURI: from.URL, RemoteAddr: c.session.RemoteAddr()}
	r.URL.Path = Path
	r.URL.RawQuery = from.Query.Encode()
	if from.Secure {
		r.TLS = new(tls.ConnectionState)
	}
	c.request = types.NewHttpContext(noResponse{}, r)
	c.request.Flush() // ends the goroutine that waits for the response to be written
	return c.request
}

// Send and Write queue what the library's Client encoded.
func (c *conn) Send(data io.Reader, o *eioparser.Options, done eio.SendCallback) eio.Socket {
	return c.Write(data, o, done)
}

func (c *conn) Write(data io.Reader, _ *eioparser.Options, done eio.SendCallback) eio.Socket {
	if e, ok := data.(*encoded); ok {
		c.write(e)
		if done != nil {
			done(c.Transport())
		}
	}
	return c
}

// Close ends the connection. What was queued before still leaves unless discard is set.
func (c *conn) Close(discard bool) {
	if c.closing.CompareAndSwap(false, true) {
		c.session.Close(engine.ReasonForcedClose)
	}
}

// transportFace answers what the library's Client and applications ask of a transport: its name, and whether a volatile
// packet may go out now.
type transportFace struct {
	transports.Transport // nil: no one else calls it
	c                    *conn
}

func (t transportFace) Name() string   { return t.c.session.Transport().String() }
func (t transportFace) Writable() bool { return t.c.session.Writable() }
func (t transportFace) Sid() string    { return t.c.session.ID() }
func (t transportFace) Protocol() int  { return 4 }

// noResponse stands for the response of a handshake that is over.
type noResponse struct{}

func (noResponse) Header() http.Header         { return http.Header{} }
func (noResponse) Write(b []byte) (int, error) { return len(b), nil }
func (noResponse) WriteHeader(int)             {}
