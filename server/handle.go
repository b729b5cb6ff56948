package server

import (
	"context"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// handlerCloseTimeout bounds what handlers still do when the last client is gone.
const handlerCloseTimeout = 3 * time.Second

// Handle has h serve a Socket.IO namespace, as one of [Options.Handlers], for a handler that is made with the server: one that asks
// its clients. Where h has a Close, it is called when the last client is gone. Handle is called before Run.
func (s *Server) Handle(namespace string, h app.Handler) {
	s.socketio.Handle(namespace, h)
	if c, ok := h.(interface{ Close(context.Context) }); ok {
		s.OnClose(func() {
			ctx, cancel := context.WithTimeout(context.Background(), handlerCloseTimeout)
			defer cancel()
			c.Close(ctx)
		})
	}
}

// EmitWithAck sends an event that clients are asked to answer; see [socketio.Server.EmitWithAck].
func (s *Server) EmitWithAck(ctx context.Context, to hub.Selection, msg *hub.Message, answer socketio.AnswerFunc) (asked int, complete bool) {
	return s.socketio.EmitWithAck(ctx, to, msg, answer)
}
