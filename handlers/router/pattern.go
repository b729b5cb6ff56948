package router

import (
	"fmt"
	"slices"
	"strings"

	"signalbox/server/app"
)

// Pattern names events: a namespace and an event with a colon between, in each of which * is any run of characters.
type Pattern struct {
	Namespace, Event string
}

// reservedNamespaces never match: they are not the application's.
var reservedNamespaces = []string{"/backend", "/admin"}

// ParsePatterns reads a list of patterns with commas between.
func ParsePatterns(text string) ([]Pattern, error) {
	var list []Pattern
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		namespace, event, ok := strings.Cut(item, ":")
		switch {
		case !ok || event == "":
			return nil, fmt.Errorf("%q has no event; write namespace:event, such as /game:* or /:order", item)
		case !strings.HasPrefix(namespace, "/"):
			return nil, fmt.Errorf("%q does not begin with a namespace; write namespace:event, such as /game:* or /:order", item)
		case slices.Contains(reservedNamespaces, namespace):
			return nil, fmt.Errorf("%q: the namespace %s is not the application's", item, namespace)
		case app.IsReserved(event) && event != ConnectEvent:
			return nil, fmt.Errorf("%q: clients cannot send an event %s", item, event)
		}
		list = append(list, Pattern{namespace, event})
	}
	return list, nil
}

func (p Pattern) String() string { return p.Namespace + ":" + p.Event }

// Literal returns how many bytes stand before the first *: of two patterns that match, the one with more wins.
func (p Pattern) Literal() int {
	if text := p.String(); strings.Contains(text, "*") {
		return strings.IndexByte(text, '*')
	}
	return len(p.String()) + 1 // nothing names it better
}

// Matches reports whether the pattern names an event.
func (p Pattern) Matches(namespace, event string) bool {
	return p.MatchesNamespace(namespace) && matches(p.Event, event)
}

// MatchesNamespace reports whether the pattern names an event of a namespace.
func (p Pattern) MatchesNamespace(namespace string) bool {
	return !slices.Contains(reservedNamespaces, namespace) && matches(p.Namespace, namespace)
}

// Covers reports whether each event that other matches is matched by p too.
func (p Pattern) Covers(other Pattern) bool {
	return matches(p.Namespace, other.Namespace) && matches(p.Event, other.Event)
}

// Covered reports whether one of some patterns covers p.
func Covered(p Pattern, by []Pattern) bool {
	return slices.ContainsFunc(by, func(b Pattern) bool { return b.Covers(p) })
}

// matches reports whether text is what pattern says, where * is any run of characters.
func matches(pattern, text string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, head)
	if !ok {
		return false
	}
	for {
		part, more, wild := strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}
