package api

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"signalbox/server/app"
)

// publish serves POST /api/publish/<channel>: the message goes to everybody who listens to the channel.
func (a *API) publish(ctx context.Context, channel string, body []byte) (any, error) {
	if err := checkPublication(channel, body); err != nil {
		return nil, err
	}
	delivered, held, complete, err := a.cfg.Publisher.Publish(ctx, channel, body)
	switch {
	case errors.Is(err, app.ErrChannel):
		return nil, &fault{CodeInvalidChannel, err.Error()}
	case errors.Is(err, app.ErrMessage):
		return nil, &fault{CodeInvalidRequest, err.Error()}
	case err != nil:
		return nil, err
	}
	return okDelivered(delivered, held, complete), nil
}

// checkPublication reports what is wrong with a message. On update any JSON goes out as it is; elsewhere it is {type, data}.
func checkPublication(channel string, body []byte) error {
	if channel == "update" {
		return checkJSON(body)
	}
	var kind string
	var data json.RawMessage
	if err := decode(body, member{"type", &kind, "text"}, member{"data", &data, "JSON"}); err != nil {
		return err
	}
	if kind == "" {
		return faultf(CodeInvalidRequest, "type is missing: it names the event that listeners get")
	}
	return nil
}

// partialMember is in every answer for which a node of the cluster did not tell what it knows.
const partialMember = `,"partial":true`

// okDelivered answers for how many clients something was queued, and for how many that are away it is held; without complete, there may be more.
func okDelivered(n, held int, complete bool) json.RawMessage {
	b := strconv.AppendInt([]byte(`{"ok":true,"delivered":`), int64(n), 10)
	if held > 0 {
		b = strconv.AppendInt(append(b, `,"held":`...), int64(held), 10)
	}
	if !complete {
		b = append(b, partialMember...)
	}
	return append(b, '}')
}
