package tryout

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"signalbox/handlers/router"
)

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a transport whose backend says {"ack":["backend"]}, or hears nothing.
type backend struct {
	asked []router.Question
	told  []router.Notice
	deaf  atomic.Bool
}

func (b *backend) Ask(_ context.Context, q *router.Question) (json.RawMessage, error) {
	b.asked = append(b.asked, *q)
	return json.RawMessage(`{"ack":["backend"]}`), nil
}

func (b *backend) Tell(_ context.Context, batch []router.Notice) error {
	if b.deaf.Load() {
		return errors.New("deaf")
	}
	b.told = append(b.told, batch...)
	return nil
}

type answer struct {
	result string
	err    error
}

// ask asks through the desk, on a goroutine that ends with the answer.
func ask(ctx context.Context, t router.Transport, body string, connect bool) <-chan answer {
	done := make(chan answer, 1)
	go func() { // awaited by who reads done
		result, err := t.Ask(ctx, &router.Question{ID: "1", Body: []byte(body), Connect: connect, Deadline: time.Now().Add(3 * time.Second)})
		done <- answer{string(result), err}
	}()
	synctest.Wait()
	return done
}

// post has the desk do something, and returns the error that the page is told.
func post(t *testing.T, d *Desk, fields ...string) string {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	var said struct{ Error string }
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || (w.Code == http.StatusOK) != (said.Error == "") {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return said.Error
}

func page(t *testing.T, d *Desk, since string) (string, shown) {
	t.Helper()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest("GET", "/?since="+since, nil))
	var s shown
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return w.Body.String(), s
}

func TestAnsweredByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b := New(), new(backend)
		through := d.Through(b)
		if got := <-ask(t.Context(), through, `{"type":"event"}`, false); got.result != `{"ack":["backend"]}` {
			t.Errorf("without a hand: %v", got)
		}
		post(t, d, "byHand", "on")
		event, connect := ask(t.Context(), through, `{"type":"event"}`, false), ask(t.Context(), through, `{"type":"connect"}`, true)
		time.Sleep(AnswerTime - time.Second)
		for _, bad := range []string{``, `[]`, `{"disconnect":7}`, `{"emit":[{"event":"connect"}]}`} {
			if said := post(t, d, "answer", "2", "result", bad); said == "" {
				t.Errorf("%q was taken for an answer", bad)
			}
		}
		if said := post(t, d, "answer", "2", "result", `{"ack":["hand"]}`); said != "" {
			t.Error(said)
		}
		if said := post(t, d, "answer", "3", "result", `{"refuse":{"message":"no"}}`); said != "" {
			t.Error(said)
		}
		if got := <-event; got.result != `{"ack":["hand"]}` {
			t.Errorf("event: %v", got)
		}
		if got := <-connect; got.result != `{"refuse":{"message":"no"}}` {
			t.Errorf("connect: %v", got)
		}
		if said := post(t, d, "answer", "2", "result", `{}`); said != errOver.Error() {
			t.Errorf("a second answer: %q", said)
		}
		late := ask(t.Context(), through, `{}`, false)
		u := (*router.Unanswered)(nil)
		if got := <-late; !errors.As(got.err, &u) || !u.Unsent || u.Again {
			t.Errorf("after five minutes: %v", got)
		}
		ctx, leave := context.WithCancel(t.Context())
		left := ask(ctx, through, `{}`, true)
		leave()
		if got := <-left; !errors.As(got.err, &u) || !u.Unsent {
			t.Errorf("of who has left: %v", got)
		}
		released := ask(t.Context(), through, `{}`, false)
		time.Sleep(time.Minute)
		post(t, d, "byHand", "off")
		if got := <-released; got.result != `{"ack":["backend"]}` || time.Until(b.asked[1].Deadline) != 3*time.Second {
			t.Errorf("what was left to the backend: %v until %v", got, b.asked[1].Deadline)
		}
	})
}

func TestNothingSecretIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New()
		<-ask(t.Context(), d.Through(new(backend)), `{"type":"connect","auth":{"Token":"s3cret","pid":"s3cret","n":12345678901234567890},"query":{"token":["s3cret"]},
			"headers":{"cookie":"s3cret","Authorization":"s3cret","origin":"o"},"args":[[{"token":{"a":"s3cret"}}]]}`, true)
		body, s := page(t, d, "0")
		if strings.Contains(body, "s3cret") || !strings.Contains(body, `"origin":"o"`) || !strings.Contains(body, "12345678901234567890") {
			t.Errorf("shown: %s", body)
		}
		if len(s.Entries) != 1 || !s.Entries[0].Over || s.Entries[0].Held {
			t.Errorf("entries %+v", s.Entries)
		}
		if _, s := page(t, d, "2"); len(s.Entries) != 0 || s.Changes != 2 {
			t.Errorf("nothing has changed: %+v", s)
		}
	})
}

func TestSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b := New(), new(backend)
		b.deaf.Store(true)
		n := router.NewNotices(router.NoticeOptions{Log: quiet})
		d.ShowQueue(n)
		d.ShowQueue(nil)
		o := router.NewOutside(router.OutsideOptions{Notices: n, Through: d.Through, Log: quiet}, b)
		o.Restore([]router.Notice{{ID: "d.1", Since: time.Now(), Body: []byte(`{"type":"disconnect"}`)}})
		synctest.Wait()
		time.Sleep(time.Minute) // the pauses have grown by now
		b.deaf.Store(false)
		body, s := page(t, d, "0")
		if s.Waiting != 1 || len(s.Queue) != 1 || !strings.Contains(body, `"fault":"deaf"`) {
			t.Errorf("shown: %s", body)
		}
		post(t, d, "queue", "now")
		synctest.Wait()
		if _, s := page(t, d, "0"); s.Waiting != 0 || len(b.told) != 1 {
			t.Errorf("%d wait and %d were told, want it told at once", s.Waiting, len(b.told))
		}
		post(t, d, "again", "1")
		<-ask(t.Context(), d.Through(b), `{"type":"event"}`, false)
		_, s = page(t, d, "0")
		post(t, d, "again", "9999")
		last := s.Entries[len(s.Entries)-1]
		post(t, d, "again", strconv.FormatUint(last.Number, 10))
		if len(b.told) != 2 || b.told[1].ID != "d.1" || len(b.asked) != 2 || b.asked[1].ID != b.asked[0].ID {
			t.Errorf("told %v, asked %v, want each twice, under the same ids", b.told, b.asked)
		}
		o.Close(t.Context())
	})
}

// TestListIsBounded: what is over goes, what waits for an answer stays.
func TestListIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b := New(), new(backend)
		post(t, d, "byHand", "on")
		held := ask(t.Context(), d.Through(b), `{}`, false)
		d.byHand = nil
		for range 2 * maxEntries {
			<-ask(t.Context(), d.Through(b), `{}`, false)
		}
		if len(d.entries) != maxEntries || d.entries[0].over {
			t.Errorf("%d entries, the first over: %v", len(d.entries), d.entries[0].over)
		}
		big := `"` + strings.Repeat("x", maxEntriesSize/4) + `"`
		for range 10 {
			<-ask(t.Context(), d.Through(b), big, false)
		}
		if d.size > maxEntriesSize {
			t.Errorf("%d bytes", d.size)
		}
		post(t, d, "answer", "1", "result", `{}`)
		<-held
	})
}
