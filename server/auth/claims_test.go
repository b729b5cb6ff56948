package auth

import (
	"errors"
	"strings"
	"testing"
)

// identify reads a payload as after its signature was checked.
func identify(t *testing.T, payload string) (*Identity, error) {
	t.Helper()
	c, err := parseClaims([]byte(payload))
	if err != nil {
		t.Fatalf("parseClaims(%q) = %v", payload, err)
	}
	return c.identity()
}

func TestIdentityUser(t *testing.T) {
	for name, c := range map[string]struct{ payload, id, name string }{
		"sub":                       {`{"sub":"42"}`, "42", "42"},
		"sub before id and _id":     {`{"_id":"c","id":"b","sub":"a"}`, "a", "a"},
		"id before _id":             {`{"_id":"c","id":"b"}`, "b", "b"},
		"_id":                       {`{"_id":"c"}`, "c", "c"},
		"sub null":                  {`{"sub":null,"id":"b"}`, "b", "b"},
		"sub empty":                 {`{"sub":"","id":"b"}`, "b", "b"},
		"sub twice":                 {`{"sub":"a","sub":"b"}`, "b", "b"},
		"sub escaped":               {`{"s\u0075b":"\u00e4\n"}`, "ä\n", "ä\n"},
		"in pairs":                  {`{"sub":"\ud83d\ude00"}`, "😀", "😀"},
		"a number":                  {`{"sub":42}`, "42", "42"},
		"zero":                      {`{"sub":0,"id":"b"}`, "0", "0"},
		"minus zero":                {`{"sub":-0.0}`, "0", "0"},
		"a number with a point":     {`{"sub":42.0}`, "42", "42"},
		"a number with an exponent": {`{"sub":4.2E1}`, "42", "42"},
		"a fraction":                {`{"sub":0.1}`, "0.1", "0.1"},
		"negative":                  {`{"sub":-7}`, "-7", "-7"},
		"largest safe":              {`{"sub":9007199254740991}`, "9007199254740991", "9007199254740991"},
		"large, exact":              {`{"sub":9007199254740994}`, "9007199254740994", "9007199254740994"},
		"1e20":                      {`{"sub":1e20}`, "100000000000000000000", "100000000000000000000"},
		"1e21":                      {`{"sub":1e21}`, "1e+21", "1e+21"},
		"1e21 in full":              {`{"sub":1000000000000000000000}`, "1e+21", "1e+21"},
		"1e-6":                      {`{"sub":0.000001}`, "0.000001", "0.000001"},
		"1e-7":                      {`{"sub":1e-7}`, "1e-7", "1e-7"},
		"name":                      {`{"sub":"42","name":"Ada"}`, "42", "Ada"},
		"name a number":             {`{"sub":"42","name":7}`, "42", "7"},
		"name null":                 {`{"sub":"42","name":null}`, "42", "42"},
		"name empty":                {`{"sub":"42","name":""}`, "42", "42"},
		"name a list":               {`{"sub":"42","name":["Ada"]}`, "42", "42"},
		"name no valid text":        {`{"sub":"42","name":"\ud800"}`, "42", "42"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := identify(t, c.payload)
			if err != nil {
				t.Fatalf("identity = %v", err)
			}
			if id.UserID() != c.id || id.Name() != c.name {
				t.Errorf("user %q, name %q, want %q, %q", id.UserID(), id.Name(), c.id, c.name)
			}
		})
	}
}

func TestIdentityRefuses(t *testing.T) {
	for name, payload := range map[string]string{
		"nobody":                          `{}`,
		"all null":                        `{"sub":null,"id":null,"_id":null}`,
		"in another case":                 `{"SUB":"42","Id":"42","_ID":"42"}`,
		"sub true":                        `{"sub":true}`,
		"sub false, id good":              `{"sub":false,"id":"42"}`,
		"sub a list":                      `{"sub":["42"]}`,
		"sub an object":                   `{"sub":{"toString":"42"}}`,
		"a lone surrogate":                `{"sub":"a\ud800"}`,
		"no UTF-8":                        "{\"sub\":\"a\xff\"}",
		"a number two users would share":  `{"sub":9007199254740993}`,
		"a long number":                   `{"sub":` + strings.Repeat("9", 300) + `}`,
		"a number of 10,000 digits":       `{"sub":` + strings.Repeat("9", 10_000) + `}`,
		"infinity":                        `{"sub":1e309}`,
		"rooms null":                      `{"sub":"42","rooms":null}`,
		"rooms a text":                    `{"sub":"42","rooms":"team-*"}`,
		"rooms an object":                 `{"sub":"42","rooms":{"0":"a"}}`,
		"rooms true":                      `{"sub":"42","rooms":true}`,
		"rooms with a number":             `{"sub":"42","rooms":["a",1]}`,
		"rooms with null":                 `{"sub":"42","rooms":["a",null]}`,
		"rooms with an empty name":        `{"sub":"42","rooms":[""]}`,
		"rooms with a list":               `{"sub":"42","rooms":[["a"]]}`,
		"rooms with * first":              `{"sub":"42","rooms":["*-team"]}`,
		"rooms with * inside":             `{"sub":"42","rooms":["a*b"]}`,
		"rooms with two *":                `{"sub":"42","rooms":["a**"]}`,
		"rooms with a lone surrogate":     `{"sub":"42","rooms":["\udc00*"]}`,
		"rooms good, then given as null":  `{"sub":"42","rooms":["a"],"rooms":null}`,
		"exp a text, found with the user": `{"sub":"42","exp":"soon"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if id, err := identify(t, payload); !errors.Is(err, ErrClaims) {
				t.Errorf("identity = %+v, %v, want ErrClaims", id, err)
			}
		})
	}
}
