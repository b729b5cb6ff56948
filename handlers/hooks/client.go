package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"signalbox/server/trace"
)

// maxAnswerBytes bounds the body of an answer.
const maxAnswerBytes = 1 << 20

// failure is why a request brought nothing.
type failure struct {
	text   string
	status int  // 0: none came
	again  bool // it may work when it is sent again: a 5xx, or a time-out
	breaks bool // it counts for the circuit breaker
	unsent bool // the backend knows nothing of it
}

func (f *failure) Error() string { return f.text }

// kind names it for a trace: the text may have the URL in it.
func (f *failure) kind() string {
	switch {
	case f.unsent:
		return "unreachable"
	case f.again:
		return "timeout"
	default:
		return "broken"
	}
}

// target is where requests go, and what signs them.
type target struct {
	url  string
	keys Keys
}

// client posts to one URL.
type client struct {
	http   *http.Client
	target atomic.Pointer[target]
}

func newClient(url string, keys Keys, concurrency int) *client {
	c := &client{http: &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: concurrency + 2,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true, // what comes in is bounded as it is read
			ForceAttemptHTTP2:   true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	c.target.Store(&target{url, keys})
	return c
}

func (c *client) close() { c.http.CloseIdleConnections() }

// post sends a body and returns that of the answer, which has status 200. ctx bounds all of it, and span tells of it.
func (c *client) post(ctx context.Context, id string, body []byte, span *trace.Span) (answer []byte, err error) {
	defer func() {
		if f := (*failure)(nil); errors.As(err, &f) && f.status == 0 {
			span.Fail(f.kind())
		}
		span.End()
	}()
	to := c.target.Load()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(body))
	if err != nil {
		return nil, &failure{text: err.Error()}
	}
	now := time.Now().Unix()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "signalbox")
	req.Header["webhook-id"] = []string{id}
	req.Header["webhook-timestamp"] = []string{strconv.FormatInt(now, 10)}
	if len(to.keys) > 0 {
		req.Header["webhook-signature"] = []string{to.keys.signature(id, now, body)}
	}
	span.Inject(req.Header)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, broken(ctx, err)
	}
	defer res.Body.Close()
	span.SetStatus(res.StatusCode, 400)
	if res.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection may be used again
		server := res.StatusCode >= 500
		return nil, &failure{text: fmt.Sprintf("status %d", res.StatusCode), status: res.StatusCode, again: server, breaks: server}
	}
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, broken(ctx, err)
	case len(answer) > maxAnswerBytes:
		return nil, &failure{text: "the answer is longer than 1 MiB", breaks: true}
	}
	return answer, nil
}

// broken says what a request's error means.
func broken(ctx context.Context, err error) *failure {
	var timeout interface{ Timeout() bool }
	late := ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	if late {
		return &failure{text: "no answer in time", again: true, breaks: !errors.Is(ctx.Err(), context.Canceled)}
	}
	op := (*net.OpError)(nil)
	return &failure{text: err.Error(), breaks: true, unsent: errors.As(err, &op) && op.Op == "dial"}
}

// results reads an answer to so many events.
func results(answer []byte, events int) ([]json.RawMessage, error) {
	var a struct {
		Results []json.RawMessage `json:"results"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, &failure{text: "the answer is no JSON object with results", breaks: true}
	}
	if len(a.Results) < events {
		return nil, &failure{text: fmt.Sprintf("%d results for %d events", len(a.Results), events), breaks: true}
	}
	return a.Results, nil
}
