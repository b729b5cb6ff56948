package api

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// node is a piece of a parsed YAML document.
type node = map[string]any

// resolve follows a reference within doc.
func resolve(doc node, v any) node {
	n, _ := v.(node)
	ref, ok := n["$ref"].(string)
	if !ok {
		return n
	}
	at := doc
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := at[step].(node)
		if !ok {
			panic("openapi.yaml: nothing at " + ref)
		}
		at = next
	}
	return resolve(doc, at)
}

// check returns what is wrong with a JSON value, decoded into any, by a schema of doc. A keyword that it does not know is
// a fault, so that none is believed in that nobody looks at.
func check(doc node, s any, v any, path string) error {
	for keyword, want := range resolve(doc, s) {
		if err := checkKeyword(doc, resolve(doc, s), keyword, want, v, path); err != nil {
			return err
		}
	}
	return nil
}

func checkKeyword(doc, s node, keyword string, want, v any, path string) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
	object, _ := v.(map[string]any)
	list, _ := v.([]any)
	text, isText := v.(string)
	switch keyword {
	case "description", "default", "format":
	case "type":
		types, ok := want.([]any)
		if !ok {
			types = []any{want}
		}
		if !slices.ContainsFunc(types, func(t any) bool { return hasType(v, t.(string)) }) {
			return fail("%v is not of type %v", v, want)
		}
	case "const":
		if v != want {
			return fail("%v, want %v", v, want)
		}
	case "enum":
		if !slices.Contains(want.([]any), v) {
			return fail("%v is none of %v", v, want)
		}
	case "minLength":
		if isText && len(text) < number(want) {
			return fail("%q is too short", text)
		}
	case "maxLength":
		if isText && len(text) > number(want) {
			return fail("%q is too long", text)
		}
	case "pattern":
		if isText && !regexp.MustCompile(want.(string)).MatchString(text) {
			return fail("%q does not fit %s", text, want)
		}
	case "minimum":
		if n, ok := v.(float64); ok && n < float64(number(want)) {
			return fail("%v is too small", v)
		}
	case "maximum":
		if n, ok := v.(float64); ok && n > float64(number(want)) {
			return fail("%v is too large", v)
		}
	case "required":
		for _, name := range want.([]any) {
			if _, ok := object[name.(string)]; object != nil && !ok {
				return fail("%s is missing", name)
			}
		}
	case "properties":
		for name, sub := range want.(node) {
			if member, ok := object[name]; ok {
				if err := check(doc, sub, member, path+"."+name); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := s["properties"].(node)
		for name, member := range object {
			if _, ok := known[name]; ok {
				continue
			}
			if want == false {
				return fail("%s is not known", name)
			}
			if err := check(doc, want, member, path+"."+name); err != nil {
				return err
			}
		}
	case "items":
		for i, element := range list {
			if err := check(doc, want, element, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case "oneOf":
		fits := 0
		var last error
		for _, sub := range want.([]any) {
			if last = check(doc, sub, v, path); last == nil {
				fits++
			}
		}
		if fits != 1 {
			return fail("fits %d of the alternatives, want 1 (%v)", fits, last)
		}
	default:
		return fail("the schema has the keyword %s, which the test does not know", keyword)
	}
	return nil
}

func hasType(v any, t string) bool {
	switch v := v.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string"
	case []any:
		return t == "array"
	case map[string]any:
		return t == "object"
	case float64:
		return t == "number" || t == "integer" && v == math.Trunc(v)
	default:
		return false
	}
}

// number returns a whole number of a parser, of which that for YAML has several types for them.
func number(v any) int {
	switch n := v.(type) {
	case uint64:
		return int(n)
	case int64:
		return int(n)
	case int:
		return n
	case float64: // of a JSON document
		return int(n)
	default:
		panic(fmt.Sprintf("%v is no whole number", v))
	}
}
