package broker

import "testing"

func TestEveryReasonHasItsOwnWords(t *testing.T) {
	seen := make(map[string]Reason)
	for r := range reasons {
		for _, word := range []string{r.String(), r.Label()} {
			if other, ok := seen[word]; ok || word == "" || word == reasons.String() {
				t.Errorf("reason %d is called %q, as reason %d", r, word, other)
			}
			seen[word] = r
		}
	}
}
