package config

import (
	"cmp"
	"encoding"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Setting describes one setting, as help texts print it.
type Setting struct {
	// Name is the environment variable.
	Name string
	// Unit says what the value is: "duration", "bytes", "number", "true or false", "text", "list".
	Unit string
	// Default is the value of an empty environment, as one would write it; empty: none.
	Default string
	// Doc is the meaning in one or two sentences.
	Doc string
	// Group is the part of the documentation that the setting belongs to.
	Group string

	tag   reflect.StructTag
	value reflect.Value
}

// Settings returns the description of every setting in the order of [Config].
func Settings() []Setting { return settings(new(Config)) }

func settings(cfg *Config) []Setting {
	v := reflect.ValueOf(cfg).Elem()
	list := make([]Setting, 0, v.NumField())
	group := ""
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		group = cmp.Or(tag.Get("group"), group)
		list = append(list, Setting{
			Name:    tag.Get("env"),
			Unit:    unit(v.Field(i), tag),
			Default: tag.Get("default"),
			Doc:     tag.Get("doc"),
			Group:   group,
			tag:     tag,
			value:   v.Field(i),
		})
	}
	return list
}

func unit(v reflect.Value, tag reflect.StructTag) string {
	if tag.Get("single") == "true" {
		return "text"
	}
	switch v.Interface().(type) {
	case time.Duration:
		return "duration"
	case Bytes:
		return "bytes"
	case Origins, Proxies, Transports, Openings, Namespaces, Addresses, Domains, Paths:
		return "list"
	case Secret:
		return "secret"
	case bool:
		return "true or false"
	case int, float64:
		return "number"
	default:
		return "text"
	}
}

// set parses text into the field and checks it. The error names the setting, the value unless it is a secret, and what
// to write instead.
func (s Setting) set(text string) error {
	trimmed := strings.TrimSpace(text)
	err := s.parse(trimmed)
	if err == nil {
		err = s.inRange()
	}
	if err == nil {
		return nil
	}
	if s.Unit == "secret" {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return fmt.Errorf("%s=%s: %w", s.Name, shown(trimmed), err)
}

// shown quotes a value for an error, cut so that a file pasted into a variable does not fill the screen.
func shown(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return strconv.Quote(string(r[:most])) + "..."
	}
	return strconv.Quote(text)
}

func (s Setting) parse(text string) error {
	switch p := s.value.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			if _, numberErr := strconv.ParseFloat(text, 64); numberErr == nil {
				return fmt.Errorf("the unit is missing; write %ss, or %sms for milliseconds", text, text)
			}
			return fmt.Errorf("not a duration; write a number and its unit, such as %s", s.example("10s"))
		}
		*p = d
	case *int:
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil {
			return fmt.Errorf("not a whole number; write %s", s.between())
		}
		*p = n
	case *float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != n {
			return fmt.Errorf("not a number; write %s", s.between())
		}
		*p = n
	case *bool:
		switch strings.ToLower(text) {
		case "true", "1", "yes", "on":
			*p = true
		case "false", "0", "no", "off":
			*p = false
		default:
			return fmt.Errorf("write true or false")
		}
	case *slog.Level:
		switch strings.ToLower(text) {
		case "debug", "info", "warn", "error":
			return p.UnmarshalText([]byte(text))
		default:
			return fmt.Errorf("write debug, info, warn or error")
		}
	case *Secret:
		*p = Secret(text)
	case *string:
		return s.parseText(p, text)
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("config: %s has a type that cannot be read", s.Name))
	}
	return nil
}

func (s Setting) parseText(p *string, text string) error {
	if choices := s.tag.Get("oneof"); choices != "" {
		lower := strings.ToLower(text)
		for choice := range strings.SplitSeq(choices, ",") {
			if lower == choice {
				*p = choice
				return nil
			}
		}
		return fmt.Errorf("write %s", strings.ReplaceAll(choices, ",", " or "))
	}
	if s.tag.Get("hostport") == "true" {
		if _, port, err := net.SplitHostPort(text); err != nil || !isPort(port) {
			return fmt.Errorf("not an address with a port; write 127.0.0.1:6060")
		}
	}
	*p = text
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n <= 65535
}

// inRange checks the value against the min and max tags, and what only a set of tags can say about lists.
func (s Setting) inRange() error {
	if list, ok := s.value.Interface().(Origins); ok && s.tag.Get("single") == "true" && len(list) != 1 {
		return fmt.Errorf("write one origin here, and lists into ALLOWED_ORIGINS")
	}
	low, high := s.tag.Get("min"), s.tag.Get("max")
	if low == "" {
		return nil
	}
	n, least, most := s.number(s.value), s.limit(low), s.limit(high)
	if n < least || n > most {
		return fmt.Errorf("out of range; write %s", s.between())
	}
	return nil
}

// between names the allowed range in the setting's own unit.
func (s Setting) between() string {
	text := fmt.Sprintf("%s to %s", s.tag.Get("min"), s.tag.Get("max"))
	if s.Unit == "number" {
		return "a number from " + text
	}
	return text
}

func (s Setting) example(fallback string) string {
	if s.Default != "" {
		return s.Default
	}
	return fallback
}

func (s Setting) number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// limit parses a min or max tag, which is written like the value itself.
func (s Setting) limit(text string) float64 {
	l := Setting{Name: s.Name, value: reflect.New(s.value.Type()).Elem()}
	if err := l.parse(text); err != nil {
		panic(fmt.Sprintf("config: limit %q of %s: %v", text, s.Name, err))
	}
	return s.number(l.value)
}
