package bench

import "context"

// dialOptions shape one client.
type dialOptions struct {
	polling   bool
	bufBytes  int // read buffer, 0: the smallest
	recvBytes int // kernel receive buffer, 0: the system's
}

// dial connects one client to the namespace "/" of the server.
func dial(ctx context.Context, t target, clk clock, opts dialOptions, on callbacks) (client, error) {
	if opts.polling {
		return dialPolling(ctx, t, clk, on)
	}
	return dialWebSocket(ctx, t, clk, opts, on)
}
