package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

func readDescription(t *testing.T) node {
	t.Helper()
	var doc node
	if err := yaml.Unmarshal(Description(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// operation is one operation of the description.
type operation struct {
	method, path string
	node
}

func operations(doc node) []operation {
	var list []operation
	for path, item := range doc["paths"].(node) {
		for method, op := range item.(node) {
			list = append(list, operation{strings.ToUpper(method), path, op.(node)})
		}
	}
	return list
}

var ginParameter = regexp.MustCompile(`[:*]([a-z]+)`)

func TestDescriptionNamesEveryRoute(t *testing.T) {
	var described, served []string
	for _, op := range operations(readDescription(t)) {
		described = append(described, op.method+" "+op.path)
	}
	for _, r := range newTestAPI(new(fake)).Routes() {
		served = append(served, r.Method+" "+ginParameter.ReplaceAllString(r.Path, "{$1}"))
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

func TestDescriptionNamesEveryCode(t *testing.T) {
	doc := readDescription(t)
	text := doc["info"].(node)["description"].(string)
	var codes []any
	for _, f := range Faults() {
		codes = append(codes, string(f.Code))
		if row := fmt.Sprintf("| `%s` | %d | %s |\n", f.Code, f.Status, f.Meaning); !strings.Contains(text, row) {
			t.Errorf("the table of codes lacks the row %s", row)
		}
	}
	if rows := strings.Count(text, "\n| `"); rows != len(codes) {
		t.Errorf("the table has %d rows, want %d", rows, len(codes))
	}
	fault := resolve(doc, node{"$ref": "#/components/schemas/Fault/properties/error/properties/code"})
	if got := fault["enum"].([]any); !slices.Equal(got, codes) {
		t.Errorf("enum of codes = %v, want %v", got, codes)
	}
}

func TestDescriptionIsServed(t *testing.T) {
	res := do(t, newTestAPI(new(fake)), "GET", "/api/openapi.yaml", "", "X-API-Key", "")
	file, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if res.Code != 200 || res.Body.String() != string(file) || !strings.HasPrefix(res.Header().Get("Content-Type"), "application/yaml") {
		t.Errorf("GET /api/openapi.yaml = %d, %s", res.Code, res.Header())
	}
}

// populated is a fake whose answers have every member that an answer can have.
func populated() *fake {
	since := time.Now()
	f := &fake{
		publish: func(string, []byte) (int, error) { return 1, nil },
		emit:    func(hub.Selection, *hub.Message) int { return 2 },
		emitWithAck: func(_ context.Context, _ hub.Selection, _ *hub.Message, answer Answer) int {
			answer("sid", []json.RawMessage{json.RawMessage(`{"x":1}`)}, [][]byte{{1}})
			return 2
		},
		hub:       hub.New(),
		online:    map[string][]app.Place{"42": {{Door: "chat", ClientID: "c", Since: &since, Rooms: []string{"team"}, Verified: true}}},
		roomUsers: map[string][]app.RoomUser{"team/1": {{UserID: json.RawMessage(`"42"`), Name: "Ann", Connections: 1}}},
		lobby:     func(string) ([]store.User, error) { return []store.User{{ID: "s", Name: "bob"}}, nil },
	}
	populate(f.hub, inChat("team/1"), inChat("tea"), lobby("den"))
	return f
}

// TestExamples sends every example of the description, and holds what comes back against the description.
func TestExamples(t *testing.T) {
	for _, partial := range []bool{false, true} {
		f := populated()
		f.partial = partial
		checkExamples(t, newTestAPI(f), partial)
	}
}

func checkExamples(t *testing.T, a *API, partial bool) {
	t.Helper()
	doc := readDescription(t)
	for _, op := range operations(doc) {
		if op.path == "/api/openapi.yaml" || op.path == "/api/hooks.schema.json" {
			continue
		}
		path := exampleURL(t, doc, op)
		if op.node["requestBody"] == nil {
			status, body := ask(t, a, op.method, path, "")
			checkAnswer(t, doc, op, status, body)
			if strings.Contains(body, `"partial":true`) != partial {
				t.Errorf("%s %s with partial %v = %s", op.method, path, partial, body)
			}
			continue
		}
		content := jsonContent(op.node["requestBody"])
		examples := content["examples"].(node)
		if len(examples) == 0 {
			t.Errorf("%s %s has no examples", op.method, op.path)
		}
		for name, example := range examples {
			body, err := json.Marshal(example.(node)["value"])
			if err != nil {
				t.Fatal(err)
			}
			if err := check(doc, content["schema"], decoded(t, string(body)), "example "+name); err != nil {
				t.Errorf("%s: %v", op.path, err)
			}
			status, answer := ask(t, a, op.method, path, string(body))
			if status != 200 {
				t.Errorf("%s %s with example %s = %d %s", op.method, path, name, status, answer)
			}
			checkAnswer(t, doc, op, status, answer)
			if strings.Contains(answer, `"partial":true`) != partial {
				t.Errorf("%s %s with partial %v = %s", op.method, path, partial, answer)
			}
		}
		// A member that the schema does not know is refused by the API as well.
		const odd = `{"odd":1}`
		if check(doc, content["schema"], decoded(t, odd), "odd") == nil {
			t.Errorf("the schema of %s takes any member", op.path)
		}
		status, answer := ask(t, a, op.method, path, odd)
		wantFault(t, status, answer, CodeUnknownField)
		checkAnswer(t, doc, op, status, answer)
	}
}

// TestSchemasKnowEveryMember checks that what the API takes is what the description says it takes.
func TestSchemasKnowEveryMember(t *testing.T) {
	doc := readDescription(t)
	for name, known := range map[string]string{"Publication": "data, type", "Disconnection": "close",
		"Emission": "ack, args, event, except, namespace, rooms, timeoutMs, users"} {
		var names []string
		for member := range resolve(doc, node{"$ref": "#/components/schemas/" + name})["properties"].(node) {
			names = append(names, member)
		}
		slices.Sort(names)
		if got := strings.Join(names, ", "); got != known {
			t.Errorf("%s describes %s, want %s", name, got, known)
		}
	}
	_, body := ask(t, newTestAPI(new(fake)), "POST", "/api/emit", `{"odd":1}`)
	if !strings.Contains(body, "namespace, users, rooms, except, event, args, ack, timeoutMs") {
		t.Errorf("emit knows other members: %s", body)
	}
}

// exampleURL fills an operation's path and query with the examples of its parameters.
func exampleURL(t *testing.T, doc node, op operation) string {
	t.Helper()
	path, query := op.path, url.Values{}
	parameters, _ := op.node["parameters"].([]any)
	for _, p := range parameters {
		p := resolve(doc, p)
		name := p["name"].(string)
		example, ok := p["example"]
		switch {
		case p["in"] == "path" && !ok:
			t.Errorf("%s: the parameter %s has no example", op.path, name)
		case p["in"] == "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(fmt.Sprint(example)))
		case ok:
			query.Set(name, fmt.Sprint(example))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func jsonContent(v any) node {
	return v.(node)["content"].(node)["application/json"].(node)
}

func decoded(t *testing.T, body string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

func checkAnswer(t *testing.T, doc node, op operation, status int, body string) {
	t.Helper()
	responses := op.node["responses"].(node)
	response, ok := responses[fmt.Sprint(status)]
	if !ok {
		response = responses["default"]
	}
	if err := check(doc, jsonContent(resolve(doc, response))["schema"], decoded(t, body), "answer"); err != nil {
		t.Errorf("%s %s = %d %s: %v", op.method, op.path, status, body, err)
	}
}
