package tryout

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// maxFormBytes bounds what is posted, an answer by hand most of all.
const maxFormBytes = 1 << 20

// maxShown bounds what of a queue is shown.
const maxShown = 50

type shownEntry struct {
	Number uint64 `json:"number"`
	At     int64  `json:"at"` // milliseconds since 1970
	Body   any    `json:"body"`
	Held   bool   `json:"held"` // it waits for an answer by hand
	Over   bool   `json:"over"`
	Result any    `json:"result,omitempty"`
	Fault  string `json:"fault,omitempty"`
	Millis int64  `json:"ms"`
}

type shown struct {
	Changes uint64       `json:"changes"`
	ByHand  bool         `json:"byHand"`
	Entries []shownEntry `json:"entries"` // those that changed
	Waiting int          `json:"waiting"`
	Queue   []any        `json:"queue"` // what waits longest
}

// ServeHTTP answers GET with what has changed since the number of changes that the query names, and carries out one thing by
// POST: byHand=on or off, answer=<number> with result=<JSON>, again=<number>, queue=now. Who may ask is for the caller to say.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var err error
	switch r.Method {
	case http.MethodGet:
		since, _ := strconv.ParseUint(r.URL.Query().Get("since"), 10, 64)
		_ = json.NewEncoder(w).Encode(d.show(since)) // who has gone does not read it
		return
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
		if err = r.ParseForm(); err == nil {
			err = d.do(r)
		}
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	answer := struct {
		Error string `json:"error,omitempty"`
	}{}
	if err != nil {
		answer.Error = err.Error()
		w.WriteHeader(http.StatusBadRequest)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (d *Desk) do(r *http.Request) error {
	form := r.PostForm
	number, _ := strconv.ParseUint(form.Get("answer")+form.Get("again"), 10, 64)
	e := d.entry(number)
	switch {
	case form.Has("byHand"):
		d.answerByHand(form.Get("byHand") == "on")
		return nil
	case form.Has("queue"):
		for _, n := range d.queues {
			n.SendNow()
		}
		return nil
	case e == nil:
		return errOver
	case form.Has("again"):
		d.again(r.Context(), e)
		return nil
	}
	return d.answer(e, json.RawMessage(form.Get("result")))
}

func (d *Desk) show(since uint64) shown {
	s := shown{Entries: []shownEntry{}, Queue: []any{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Changes, s.ByHand = d.changes, d.byHand != nil
	for _, e := range d.entries {
		if e.change > since {
			s.Entries = append(s.Entries, shownEntry{
				Number: e.number, At: e.at.UnixMilli(), Body: masked(e.body()), Held: e.answers != nil, Over: e.over,
				Result: masked(e.result), Fault: e.fault, Millis: e.took.Milliseconds(),
			})
		}
	}
	for _, n := range d.queues {
		waiting, first := n.Waiting(maxShown)
		s.Waiting += waiting
		for _, notice := range first {
			s.Queue = append(s.Queue, masked(notice.Body))
		}
	}
	return s
}

// secret are the members whose values nobody is shown, wherever they stand.
var secret = map[string]bool{"token": true, "pid": true, "cookie": true, "authorization": true}

// masked returns a JSON value without what is secret; nil for none.
func masked(raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	var v any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if decoder.Decode(&v) != nil {
		return "no JSON"
	}
	mask(v)
	return v
}

func mask(v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			mask(element)
		}
	case map[string]any:
		for name, value := range v {
			if secret[strings.ToLower(name)] {
				v[name] = "***"
			} else {
				mask(value)
			}
		}
	}
}
