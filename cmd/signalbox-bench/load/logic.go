package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// This file has the scenarios with a backend of the application, which is in this program: as fast as one can be.

// runWorker is echo with a worker behind it.
func runWorker(ctx context.Context, r *Runner, res *measure.Result) error {
	if r.Opts.workerKey == "" {
		return errors.New("a worker needs a key: --worker-key, or WORKER_KEY in the environment")
	}
	var worker client.Client
	handling := make(chan struct{})
	var packet []byte
	worker, err := client.Dial(ctx, r.Target, r.clock, client.Options{Namespace: "/backend", Key: r.Opts.workerKey, BufBytes: 64 << 10}, client.Callbacks{
		Ack: func(int64, uint64, []byte) { close(handling) },
		Ask: func(id uint64, event []byte) {
			packet = strconv.AppendUint(append(packet[:0], "43/backend,"...), id, 10)
			packet = append(appendResults(append(packet, '['), event), ']')
			_ = worker.Send(packet) // an error shows as answers that never came
		},
	})
	if err != nil {
		return err
	}
	worker.Start()
	defer worker.Leave()
	if err := worker.Send([]byte(`42/backend,1["handle",{"events":["/worker:*"]}]`)); err != nil {
		return err
	}
	select {
	case <-handling:
	case <-ctx.Done():
		return ctx.Err()
	}
	return r.echoIn(ctx, res, "/worker")
}

// runHook is echo with requests behind it.
func runHook(ctx context.Context, r *Runner, res *measure.Result) error {
	listener, err := net.Listen("tcp", r.Opts.hooksAddr)
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(appendResults(nil, body)) // an error shows as answers that never came
	})}
	served := make(chan struct{})
	go func() { // ends with the listener, awaited below
		_ = server.Serve(listener)
		close(served)
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()
	return r.echoIn(ctx, res, "/hook")
}

func (r *Runner) echoIn(ctx context.Context, res *measure.Result, namespace string) error {
	perClient := int64(max(r.Opts.echoTrips/r.Opts.ackClients, 1))
	res.About = fmt.Sprintf("%d clients, %d round trips", r.Opts.ackClients, perClient*int64(r.Opts.ackClients))
	return r.echo(ctx, res, client.Options{Namespace: namespace}, perClient)
}

// appendResults appends the answer to envelopes: a result for each.
func appendResults(b, envelopes []byte) []byte {
	b = append(b, `{"results":[`...)
	for i := range bytes.Count(envelopes, []byte(`{"type":`)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"ack":[{"ok":true}]}`...)
	}
	return append(b, "]}"...)
}
