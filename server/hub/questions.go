package hub

import (
	"context"
	"encoding/json"

	"signalbox/server/rawjson"
)

// MaxAnswerBytes bounds what a node answers to one question: answers share the queue to other nodes with what clients
// say, and come to the one that asks all at once. Who may have more to say answers by pages.
const MaxAnswerBytes = 256 << 10

// Ask asks the other nodes a question, as JSON, and has each answer read, one at a time. It reports whether all have
// answered something that can be read, of at most [MaxAnswerBytes].
func Ask[A any](ctx context.Context, nodes Nodes, topic string, question any, read func(answer A)) (complete bool) {
	body, _ := rawjson.Marshal(question) // a question that cannot be written is none
	answers, complete := nodes.Ask(ctx, topic, body)
	for _, text := range answers {
		var a A
		if len(text) > MaxAnswerBytes || json.Unmarshal(text, &a) != nil {
			complete = false
			continue
		}
		read(a)
	}
	return complete
}

// Answer has this node answer what others [Ask]. A question that cannot be read gets an answer that cannot either,
// and so does one whose answer would be too long.
func Answer[Q any](nodes Nodes, topic string, call func(question Q) any) {
	nodes.OnAsk(topic, func(_ context.Context, body []byte) []byte {
		var q Q
		if json.Unmarshal(body, &q) != nil {
			return nil
		}
		answer, err := rawjson.Marshal(call(q))
		if err != nil || len(answer) > MaxAnswerBytes {
			return nil
		}
		return answer
	})
}
