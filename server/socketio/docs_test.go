package socketio

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// docs/protocol.md says for each rule which test holds it. A test that is renamed or removed must not leave a promise
// behind.
func TestThePageOfRulesNamesRealTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	err = filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !regexp.MustCompile(`_test\.go$`).MatchString(path) {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|.*\|.*\|$`).FindAll(page, -1)
	if len(rows) != 42 {
		t.Errorf("the page has %d rules, want 42", len(rows))
	}
	for _, row := range rows {
		names := regexp.MustCompile(`Test\w+`).FindAllString(string(row), -1)
		if len(names) == 0 {
			t.Errorf("no test is named in %s", row)
		}
		for _, name := range names {
			if !tests[name] {
				t.Errorf("%s is named in the page and is not there", name)
			}
		}
	}
}
