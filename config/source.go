package config

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Source is where settings come from: the environment, the file that CONFIG names, and .env, the first that has one.
type Source struct {
	getenv func(string) string
	config string            // the path in CONFIG; "": none
	file   map[string]string // of config
	dotenv func(string) string
}

// ReadSource reads the files of settings beside the environment: the one that CONFIG names, which must be there, and the
// one at dotenv, which need not.
func ReadSource(getenv func(string) string, dotenv string) (*Source, error) {
	fromFile, err := WithFile(func(string) string { return "" }, dotenv)
	if err != nil {
		return nil, err
	}
	s := &Source{getenv: getenv, dotenv: fromFile}
	if s.config = cmp.Or(getenv("CONFIG"), fromFile("CONFIG")); s.config == "" {
		return s, nil
	}
	text, err := os.ReadFile(s.config)
	if err != nil {
		return nil, fmt.Errorf("CONFIG: %w", err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("CONFIG: %s has %d bytes; a file of settings has %d at most", s.config, len(text), maxFileBytes)
	}
	if s.file, err = parseYAML(text); err != nil {
		return nil, fmt.Errorf("CONFIG=%s:\n%w", s.config, err)
	}
	return s, nil
}

// Get returns what a setting is set to; "": nothing.
func (s *Source) Get(name string) string {
	return cmp.Or(s.getenv(name), s.file[name], s.dotenv(name))
}

// Origin returns where a setting comes from: "environment", the name of a file, or "default".
func (s *Source) Origin(name string) string {
	switch {
	case s.getenv(name) != "":
		return "environment"
	case s.file[name] != "":
		return s.config
	case s.dotenv(name) != "":
		return ".env"
	default:
		return "default"
	}
}

// parseYAML returns the settings of a file, a map from names to values or lists of them, as they would stand in the
// environment. Everything wrong with it is in the error, without a value: it may be a secret.
func parseYAML(text []byte) (map[string]string, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("it is not YAML: %s", firstLine(err.Error()))
	}
	values := make(map[string]string)
	var faults []string
	for _, doc := range file.Docs {
		entries, ok := entriesOf(doc.Body)
		if !ok {
			return nil, fmt.Errorf("write NAME: value, one to a line")
		}
		for _, e := range entries {
			name := e.Key.GetToken().Value
			value, ok := scalarOf(e.Value)
			switch _, again := values[name]; {
			case !known(name):
				faults = append(faults, fmt.Sprintf("line %d: there is no setting %s", e.Key.GetToken().Position.Line, shown(name)))
			case again:
				faults = append(faults, fmt.Sprintf("line %d: %s is there twice", e.Key.GetToken().Position.Line, name))
			case !ok:
				faults = append(faults, fmt.Sprintf("line %d: %s is no value; write one, or a list", e.Key.GetToken().Position.Line, name))
			}
			values[name] = value
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%s", strings.Join(faults, "\n"))
	}
	return values, nil
}

func entriesOf(body ast.Node) ([]*ast.MappingValueNode, bool) {
	switch body := body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nil, true
	case *ast.MappingNode:
		return body.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{body}, true
	default:
		return nil, false
	}
}

// scalarOf returns a value as it is written: 0660 and 1_000_000 are texts here, and no numbers.
func scalarOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.NullNode:
		return "", true
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true
	case *ast.SequenceNode:
		items := make([]string, len(n.Values))
		for i, v := range n.Values {
			item, ok := scalarOf(v)
			if !ok {
				return "", false
			}
			items[i] = item
		}
		return strings.Join(items, ","), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func known(name string) bool {
	return slices.ContainsFunc(Settings(), func(s Setting) bool { return s.Name == name })
}

// WriteInForce writes every setting with what it is set to and where that comes from. Of secrets it says that they are set.
func (s *Source) WriteInForce(w io.Writer) error {
	var b strings.Builder
	for _, setting := range Settings() {
		value := cmp.Or(s.Get(setting.Name), setting.Default)
		if setting.Unit == "secret" {
			value = Secret(value).String()
		}
		fmt.Fprintf(&b, "%-26s %-40s # %s\n", setting.Name, value, s.Origin(setting.Name))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteExample writes a file for CONFIG in which every setting stands with its meaning and its default, and none is set.
func WriteExample(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Settings of signalbox, for CONFIG=/etc/signalbox.yaml. The environment wins over this file.\n")
	group := ""
	for _, s := range Settings() {
		if s.Name == "CONFIG" {
			continue
		}
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n# --- %s ---\n", group)
		}
		for line := range strings.Lines(indent(s.Doc, 0, 110)) {
			b.WriteString("\n# " + strings.TrimSuffix(line, "\n"))
		}
		fmt.Fprintf(&b, "\n#%s: %s\n", s.Name, s.Default)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
