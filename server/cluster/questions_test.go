package cluster

import "testing"

func TestQuestions(t *testing.T) {
	qs := &questions{asks: make(map[uint64]*question)}
	q := qs.open([]string{"x", "y"})
	qs.answer(q.id, "x", []byte("1"))
	qs.answer(q.id, "x", []byte("2"))
	select {
	case <-q.done:
		t.Fatal("done without y")
	default:
	}
	if _, complete, late := q.result(); complete || len(late) != 1 {
		t.Errorf("complete = %v, late = %v, want y to be late", complete, late)
	}
	qs.gone("y")
	<-q.done
	if answers, complete, late := q.result(); len(answers) != 2 || complete || len(late) != 0 {
		t.Errorf("result = %q, %v, %v, want two answers, not complete, nobody late", answers, complete, late)
	}
	qs.close(q.id)
	qs.answer(q.id, "y", nil) // nobody waits
}
