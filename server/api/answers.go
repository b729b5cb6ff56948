package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// maxAnswerBytes bounds the answers of one call together, which are in memory until the last has come.
const maxAnswerBytes = 16 << 20

// ask sends msg and returns what came back when everybody has answered or left, the time is over, or the caller has gone.
func (a *API) ask(ctx context.Context, to hub.Selection, msg *hub.Message, timeout time.Duration) json.RawMessage {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	got := new(answers)
	asked, complete := a.cfg.Emitter.EmitWithAck(ctx, to, msg, got.add)
	return got.reply(asked, complete)
}

// answers are what clients have answered, written as elements of a JSON array.
type answers struct {
	list    []byte
	count   int
	dropped int // came, and did not fit
}

// add is an [Answer].
func (l *answers) add(sid string, args []json.RawMessage, attachments [][]byte) {
	size := len(sid) + 32
	for _, arg := range args {
		size += len(arg) + 1
	}
	for _, b := range attachments {
		size += base64.StdEncoding.EncodedLen(len(b)) + 3
	}
	if len(l.list)+size > maxAnswerBytes {
		l.dropped++
		return
	}
	if l.count++; l.count > 1 {
		l.list = append(l.list, ',')
	}
	l.list = append(l.list, `{"sid":`...)
	l.list = rawjson.AppendString(l.list, sid) // what another server calls its client need not be an id
	l.list = append(l.list, `,"args":[`...)
	for i, arg := range args {
		if i > 0 {
			l.list = append(l.list, ',')
		}
		l.list = append(l.list, arg...)
	}
	l.list = append(l.list, ']')
	for i, b := range attachments {
		if i == 0 {
			l.list = append(l.list, `,"attachments":["`...)
		} else {
			l.list = append(l.list, `","`...)
		}
		l.list = base64.StdEncoding.AppendEncode(l.list, b)
	}
	if len(attachments) > 0 {
		l.list = append(l.list, `"]`...)
	}
	l.list = append(l.list, '}')
}

// reply returns the answer to the call, for so many clients that were asked; without complete, at least so many.
func (l *answers) reply(asked int, complete bool) json.RawMessage {
	b := make([]byte, 0, len(l.list)+112)
	b = append(b, `{"ok":true,"delivered":`...)
	b = strconv.AppendInt(b, int64(asked), 10)
	b = append(b, `,"answers":[`...)
	b = append(b, l.list...)
	b = append(b, `],"missing":`...)
	b = strconv.AppendInt(b, int64(max(0, asked-l.count-l.dropped)), 10)
	if l.dropped > 0 {
		b = append(b, `,"dropped":`...)
		b = strconv.AppendInt(b, int64(l.dropped), 10)
	}
	if !complete {
		b = append(b, partialMember...)
	}
	return append(b, '}')
}
