package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestVerifyGood(t *testing.T) {
	v := open(t, Config{Secret: testSecret})
	for name, payload := range map[string]string{
		"no exp":                `{"sub":"42"}`,
		"exp ahead":             `{"sub":"42","exp":` + in(time.Hour) + `}`,
		"exp with a fraction":   `{"sub":"42","exp":` + in(time.Hour) + `.5}`,
		"exp in milliseconds":   `{"sub":"42","exp":` + in(time.Hour) + `000}`,
		"exp beyond all time":   `{"sub":"42","exp":1e400}`,
		"nbf and iat now":       `{"sub":"42","nbf":` + in(0) + `,"iat":` + in(0) + `}`,
		"nbf within leeway":     `{"sub":"42","nbf":` + in(3*time.Second) + `}`,
		"iss and aud not asked": `{"sub":"42","iss":"x","aud":["y"]}`,
		"space around":          " {\n\"sub\" : \"42\" }\t",
		"foreign members":       `{"sub":"42","a":[{}],"roles":["admin"],"":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			id, err := v.Verify(hs256(payload))
			if err != nil || id.UserID() != "42" {
				t.Fatalf("Verify = %+v, %v, want user 42", id, err)
			}
		})
	}
}

// TestVerifyForged holds every kind of forged, broken and expired token against a verifier that takes all it can.
func TestVerifyForged(t *testing.T) {
	rsaKey, ecKey := ownRSAKey(t), newECKey(t)
	strangerRSA, strangerEC := strangersRSAKey(t), newECKey(t)
	server := newKeyServer(t, rsaJWK("r1", &rsaKey.PublicKey), ecJWK("e1", &ecKey.PublicKey))
	v := open(t, Config{Secret: testSecret, JWKSURL: server.URL})

	good := hs256(`{"sub":"42","exp":` + in(time.Hour) + `}`)
	if _, err := v.Verify(good); err != nil {
		t.Fatalf("Verify(good) = %v", err)
	}
	parts := strings.Split(good, ".")
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	claims := jwt.MapClaims{"sub": "42"}
	plainPayload := b64(`{"sub":"42"}`)

	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"no token":             {"", ErrNoToken},
		"one megabyte":         {strings.Repeat("a", 1<<20), ErrTooLarge},
		"one megabyte of dots": {strings.Repeat(".", 1<<20), ErrTooLarge},
		"one byte too long":    {hs256(`{"sub":"42","pad":"` + strings.Repeat("x", MaxTokenBytes) + `"}`), ErrTooLarge},
		"words":                {"not a token", ErrMalformed},
		"two dots":             {"..", ErrMalformed},
		"two parts":            {parts[0] + "." + parts[1], ErrMalformed},
		"four parts":           {good + ".", ErrMalformed},
		"five parts, a JWE":    {good + "." + parts[0] + "." + parts[1], ErrMalformed},
		"line break in it":     {parts[0] + "\n." + parts[1] + "." + parts[2], ErrMalformed},
		"line break at end":    {good + "\n", ErrMalformed},
		"Bearer still there":   {"Bearer " + good, ErrMalformed},
		"padding":              {good + "=", ErrMalformed},
		"standard base64":      {parts[0] + "." + parts[1] + ".+/" + parts[2][2:], ErrMalformed},
		"no UTF-8":             {"\xff\xfe.\xff.\xff", ErrMalformed},

		"header no JSON":         {hmacToken(testSecret, `{"alg"`, `{"sub":"42"}`), ErrMalformed},
		"header null":            {hmacToken(testSecret, `null`, `{"sub":"42"}`), ErrAlgorithm},
		"header a list":          {hmacToken(testSecret, `["HS256"]`, `{"sub":"42"}`), ErrMalformed},
		"header empty":           {hmacToken(testSecret, `{}`, `{"sub":"42"}`), ErrAlgorithm},
		"header deep":            {hmacToken("not "+testSecret, `{"alg":"HS256","x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`, `{"sub":"42"}`), ErrSignature},
		"header deep, not ended": {hmacToken(testSecret, strings.Repeat(`{"a":`, 2000), `{}`), ErrMalformed},
		"payload no JSON":        {hs256(`{"sub":"42"`), ErrMalformed},
		"payload twice":          {hs256(`{"sub":"42"}{}`), ErrMalformed},
		"payload null":           {hs256(`null`), ErrMalformed},
		"payload a list":         {hs256(`["42"]`), ErrMalformed},
		"payload a text":         {hs256(`"42"`), ErrMalformed},
		"payload empty":          {hs256(``), ErrMalformed},
		"payload deep":           {hs256(strings.Repeat(`[`, 11000) + strings.Repeat(`]`, 1000)), ErrMalformed},

		"alg none":                {b64(`{"alg":"none"}`) + "." + plainPayload + ".", ErrAlgorithm},
		"alg None":                {b64(`{"alg":"None"}`) + "." + plainPayload + ".", ErrAlgorithm},
		"alg NONE":                {b64(`{"alg":"NONE"}`) + "." + plainPayload + ".", ErrAlgorithm},
		"alg nOnE with signature": {b64(`{"alg":"nOnE"}`) + "." + parts[1] + "." + parts[2], ErrAlgorithm},
		"alg none, signed":        {hmacToken(testSecret, `{"alg":"none"}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg empty":               {hmacToken(testSecret, `{"alg":""}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg null":                {hmacToken(testSecret, `{"alg":null}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg a list":              {hmacToken(testSecret, `{"alg":["HS256"]}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg in lower case":       {hmacToken(testSecret, `{"alg":"hs256"}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg in other member":     {hmacToken(testSecret, `{"ALG":"HS256"}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg twice":               {hmacToken(testSecret, `{"alg":"HS256","alg":"none"}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg HS384":               {signed(t, jwt.SigningMethodHS384, []byte(testSecret), claims, nil), ErrAlgorithm},
		"alg HS512":               {signed(t, jwt.SigningMethodHS512, []byte(testSecret), claims, nil), ErrAlgorithm},
		"alg RS384":               {signed(t, jwt.SigningMethodRS384, rsaKey, claims, nil), ErrAlgorithm},
		"alg PS256":               {signed(t, jwt.SigningMethodPS256, rsaKey, claims, nil), ErrAlgorithm},
		"alg EdDSA":               {hmacToken(testSecret, `{"alg":"EdDSA"}`, `{"sub":"42"}`), ErrAlgorithm},
		"alg unknown":             {hmacToken(testSecret, `{"alg":"HS256 "}`, `{"sub":"42"}`), ErrAlgorithm},
		"crit":                    {hmacToken(testSecret, `{"alg":"HS256","crit":["b64"],"b64":false}`, `{"sub":"42"}`), ErrMalformed},
		"crit empty":              {hmacToken(testSecret, `{"alg":"HS256","crit":[]}`, `{"sub":"42"}`), ErrMalformed},

		"HS256 with the RSA key as PEM":     {hmacToken(publicPEM, `{"alg":"HS256"}`, `{"sub":"42"}`), ErrSignature},
		"HS256 with the RSA key as DER":     {hmacToken(string(der), `{"alg":"HS256","kid":"r1"}`, `{"sub":"42"}`), ErrSignature},
		"HS256 with the modulus":            {hmacToken(string(rsaKey.N.Bytes()), `{"alg":"HS256","kid":"r1"}`, `{"sub":"42"}`), ErrSignature},
		"HS256 with an empty secret":        {hmacToken("", `{"alg":"HS256"}`, `{"sub":"42"}`), ErrSignature},
		"HS256 with another secret":         {hmacToken(testSecret+" ", `{"alg":"HS256"}`, `{"sub":"42"}`), ErrSignature},
		"RS256, signed with the secret":     {hmacToken(testSecret, `{"alg":"RS256","kid":"r1"}`, `{"sub":"42"}`), ErrSignature},
		"RS256 by a stranger":               {signed(t, jwt.SigningMethodRS256, strangerRSA, claims, map[string]any{"kid": "r1"}), ErrSignature},
		"RS256 by a stranger, no kid":       {signed(t, jwt.SigningMethodRS256, strangerRSA, claims, nil), ErrSignature},
		"RS256 with the ES256 key's kid":    {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": "e1"}), ErrUnknownKey},
		"ES256 by a stranger":               {signed(t, jwt.SigningMethodES256, strangerEC, claims, map[string]any{"kid": "e1"}), ErrSignature},
		"ES256 of zeros":                    {b64(`{"alg":"ES256","kid":"e1"}`) + "." + plainPayload + "." + b64(strings.Repeat("\x00", 64)), ErrSignature},
		"ES256 in DER":                      {derSigned(t, ecKey), ErrSignature},
		"kid unknown":                       {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": "r2"}), ErrUnknownKey},
		"kid in another case":               {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": "R1"}), ErrUnknownKey},
		"kid a path":                        {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": "../../dev/null"}), ErrUnknownKey},
		"kid SQL":                           {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": "' OR 1=1 --"}), ErrUnknownKey},
		"kid empty":                         {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": ""}), ErrMalformed},
		"kid a number":                      {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": 1}), ErrMalformed},
		"kid a list":                        {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": []string{"r1"}}), ErrMalformed},
		"kid null":                          {signed(t, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": nil}), ErrMalformed},
		"own key in the header, jwk":        {signed(t, jwt.SigningMethodRS256, strangerRSA, claims, map[string]any{"kid": "r1", "jwk": rsaJWK("r1", &strangerRSA.PublicKey)}), ErrSignature},
		"payload swapped":                   {parts[0] + "." + b64(`{"sub":"43"}`) + "." + parts[2], ErrSignature},
		"header swapped":                    {b64(`{"typ":"JWT","alg":"HS256"}`) + "." + parts[1] + "." + parts[2], ErrSignature},
		"signature gone":                    {parts[0] + "." + parts[1] + ".", ErrSignature},
		"signature cut":                     {parts[0] + "." + parts[1] + "." + parts[2][:40], ErrSignature},
		"signature longer":                  {good + "AAAA", ErrSignature},
		"signature of another token":        {parts[0] + "." + parts[1] + "." + strings.Split(hs256(`{"sub":"42"}`), ".")[2], ErrSignature},
		"one bit beyond the signature":      {good[:len(good)-1] + nextDigit(good[len(good)-1]), ErrMalformed},
		"signature of the payload alone":    {b64(`{"alg":"HS256"}`) + "." + strings.Join(strings.Split(hs256(`{"sub":"42"}`), ".")[1:], "."), ErrSignature},
		"expired":                           {hs256(`{"sub":"42","exp":` + in(-time.Minute) + `}`), ErrExpired},
		"expired a second ago":              {hs256(`{"sub":"42","exp":` + in(-time.Second) + `}`), ErrExpired},
		"expired this very second":          {hs256(`{"sub":"42","exp":` + in(0) + `}`), ErrExpired},
		"exp 0":                             {hs256(`{"sub":"42","exp":0}`), ErrExpired},
		"exp negative":                      {hs256(`{"sub":"42","exp":-1e300}`), ErrExpired},
		"exp below all time":                {hs256(`{"sub":"42","exp":-1e400}`), ErrExpired},
		"exp text":                          {hs256(`{"sub":"42","exp":"` + in(time.Hour) + `"}`), ErrClaims},
		"exp null":                          {hs256(`{"sub":"42","exp":null}`), ErrClaims},
		"exp true":                          {hs256(`{"sub":"42","exp":true}`), ErrClaims},
		"exp list":                          {hs256(`{"sub":"42","exp":[9999999999]}`), ErrClaims},
		"exp twice, the last over":          {hs256(`{"sub":"42","exp":9999999999,"exp":1}`), ErrExpired},
		"nbf ahead":                         {hs256(`{"sub":"42","nbf":` + in(time.Minute) + `}`), ErrNotYetValid},
		"nbf text":                          {hs256(`{"sub":"42","nbf":"0"}`), ErrClaims},
		"iat ahead":                         {hs256(`{"sub":"42","iat":` + in(time.Minute) + `}`), ErrNotYetValid},
		"iat null":                          {hs256(`{"sub":"42","iat":null}`), ErrClaims},
		"no user":                           {hs256(`{}`), ErrClaims},
		"user in another case":              {hs256(`{"SUB":"42","Sub":"42","ID":1}`), ErrClaims},
		"forged and expired says signature": {hmacToken("another secret, long enough too", `{"alg":"HS256"}`, `{"sub":"42","exp":1}`), ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := v.Verify(c.token)
			if id != nil || !errors.Is(err, c.want) {
				t.Fatalf("Verify = %+v, %v, want %v", id, err, c.want)
			}
			wantSecretless(t, err, c.token)
		})
	}
}

// wantSecretless checks that an error quotes nothing of a token: no run of 8 of its bytes.
func wantSecretless(t *testing.T, err error, token string) {
	t.Helper()
	text := err.Error()
	for i := 0; i+8 <= min(len(token), 512); i++ {
		if strings.Contains(text, token[i:i+8]) {
			t.Fatalf("the error %q quotes the token", text)
		}
	}
}

// TestVerifyReadsNoURLFromToken is CVE-2026-32301 and its kin: a token must not be able to say where its key is.
func TestVerifyReadsNoURLFromToken(t *testing.T) {
	attacker := strangersRSAKey(t)
	var visits atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits.Add(1)
		fmt.Fprint(w, jwksBody(rsaJWK("evil", &attacker.PublicKey)))
	}))
	defer trap.Close()
	own := newKeyServer(t, rsaJWK("r1", &ownRSAKey(t).PublicKey))
	v := open(t, Config{JWKSURL: own.URL})
	for name, header := range map[string]map[string]any{
		"jku":         {"kid": "evil", "jku": trap.URL},
		"x5u":         {"kid": "evil", "x5u": trap.URL},
		"no kid, jku": {"jku": trap.URL},
		"kid is URL":  {"kid": trap.URL},
		"jwk":         {"kid": "evil", "jwk": rsaJWK("evil", &attacker.PublicKey)},
		"all of them": {"kid": "evil", "jku": trap.URL, "x5u": trap.URL, "jwk": rsaJWK("evil", &attacker.PublicKey), "iss": trap.URL},
	} {
		t.Run(name, func(t *testing.T) {
			token := signed(t, jwt.SigningMethodRS256, attacker, jwt.MapClaims{"sub": "42", "iss": trap.URL}, header)
			if id, err := v.Verify(token); id != nil || err == nil {
				t.Fatalf("Verify = %+v, %v, want an error", id, err)
			}
		})
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("the address from the token was read %d times, want never", n)
	}
}

func TestVerifyOnlyTheConfiguredKind(t *testing.T) {
	rsaKey := ownRSAKey(t)
	server := newKeyServer(t, rsaJWK("r1", &rsaKey.PublicKey))
	rs256 := signed(t, jwt.SigningMethodRS256, rsaKey, jwt.MapClaims{"sub": "42"}, map[string]any{"kid": "r1"})
	hs := hs256(`{"sub":"42"}`)
	for name, c := range map[string]struct {
		cfg         Config
		hs256, jwks error
	}{
		"secret": {Config{Secret: testSecret}, nil, ErrAlgorithm},
		"JWKS":   {Config{JWKSURL: server.URL}, ErrAlgorithm, nil},
		"both":   {Config{Secret: testSecret, JWKSURL: server.URL}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := open(t, c.cfg)
			if _, err := v.Verify(hs); !errors.Is(err, c.hs256) {
				t.Errorf("Verify(HS256) = %v, want %v", err, c.hs256)
			}
			if _, err := v.Verify(rs256); !errors.Is(err, c.jwks) {
				t.Errorf("Verify(RS256) = %v, want %v", err, c.jwks)
			}
		})
	}
}

func TestVerifyIssuerAndAudience(t *testing.T) {
	v := open(t, Config{Secret: testSecret, Issuer: "https://id.example", Audience: "signalbox"})
	for name, c := range map[string]struct {
		payload string
		want    error
	}{
		"both right":               {`{"sub":"42","iss":"https://id.example","aud":"signalbox"}`, nil},
		"one of several audiences": {`{"sub":"42","iss":"https://id.example","aud":["a","signalbox"]}`, nil},
		"no issuer":                {`{"sub":"42","aud":"signalbox"}`, ErrIssuer},
		"null issuer":              {`{"sub":"42","iss":null,"aud":"signalbox"}`, ErrIssuer},
		"issuer with a slash":      {`{"sub":"42","iss":"https://id.example/","aud":"signalbox"}`, ErrIssuer},
		"issuer in upper case":     {`{"sub":"42","iss":"https://ID.example","aud":"signalbox"}`, ErrIssuer},
		"issuer a list":            {`{"sub":"42","iss":["https://id.example"],"aud":"signalbox"}`, ErrIssuer},
		"issuer in another case":   {`{"sub":"42","ISS":"https://id.example","aud":"signalbox"}`, ErrIssuer},
		"no audience":              {`{"sub":"42","iss":"https://id.example"}`, ErrAudience},
		"null audience":            {`{"sub":"42","iss":"https://id.example","aud":null}`, ErrAudience},
		"other audience":           {`{"sub":"42","iss":"https://id.example","aud":"signalbox2"}`, ErrAudience},
		"no audience in the list":  {`{"sub":"42","iss":"https://id.example","aud":[]}`, ErrAudience},
		"audience among numbers":   {`{"sub":"42","iss":"https://id.example","aud":[1,"signalbox"]}`, ErrAudience},
		"audience an object":       {`{"sub":"42","iss":"https://id.example","aud":{"signalbox":1}}`, ErrAudience},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := v.Verify(hs256(c.payload)); !errors.Is(err, c.want) {
				t.Fatalf("Verify = %v, want %v", err, c.want)
			}
		})
	}
}

func TestVerifyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := open(t, Config{Secret: testSecret, RequireExpiry: true, Leeway: 10 * time.Second})
		token := hs256(`{"sub":"42","nbf":` + in(20*time.Second) + `,"exp":` + in(30*time.Second) + `}`)
		step := func(d time.Duration, want error) {
			t.Helper()
			time.Sleep(d)
			if _, err := v.Verify(token); !errors.Is(err, want) {
				t.Fatalf("Verify at %v = %v, want %v", time.Now(), err, want)
			}
		}
		step(10*time.Second-1, ErrNotYetValid)
		step(1, nil)
		step(20*time.Second-1, nil)
		step(1, ErrExpired)
		if _, err := v.Verify(hs256(`{"sub":"42"}`)); !errors.Is(err, ErrExpired) {
			t.Errorf("Verify without exp = %v, want ErrExpired", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want []string
	}{
		"nothing to verify with": {Config{}, []string{"neither is set"}},
		"a short secret":         {Config{Secret: "hunter2"}, []string{"7 bytes", "openssl rand -hex 32"}},
		"a public key as secret": {Config{Secret: "-----BEGIN PUBLIC KEY-----\nMIIB"}, []string{"PEM", "JWKS"}},
		"one character":          {Config{Secret: strings.Repeat("a", 64)}, []string{"over and over"}},
		"http":                   {Config{JWKSURL: "http://id.example/jwks"}, []string{"must be https"}},
		"leeway too large":       {Config{Secret: testSecret, Leeway: time.Hour}, []string{"leeway", "1m0s"}},
		"leeway negative":        {Config{Secret: testSecret, Leeway: -1}, []string{"leeway"}},
		"read too often":         {Config{JWKSURL: "https://id.example/jwks", RefreshEvery: time.Second}, []string{"1m0s or more"}},
		"all at once":            {Config{Secret: "hunter2", JWKSURL: "ftp://x/y", Leeway: -1}, []string{"7 bytes", "https", "leeway"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := New(c.cfg)
			if v != nil || err == nil {
				t.Fatalf("New = %v, %v, want an error", v, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("New = %q, want %q in it", err, want)
				}
			}
			if c.cfg.Secret != "" && strings.Contains(err.Error(), c.cfg.Secret) {
				t.Errorf("New = %q, which holds the secret", err)
			}
		})
	}
}

func TestConfigShowsNoSecret(t *testing.T) {
	var log strings.Builder
	cfg := Config{Secret: testSecret, JWKSURL: "https://id.example/jwks?api_key=hunter2", Issuer: "me"}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("config", "auth", cfg)
	for _, shown := range []string{log.String(), fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, &cfg)} {
		if strings.Contains(shown, testSecret) || strings.Contains(shown, "hunter2") || !strings.Contains(shown, "me") {
			t.Errorf("a printed config shows %q", shown)
		}
	}
}

func TestVerifyByManyAtOnce(t *testing.T) {
	rsaKey := ownRSAKey(t)
	server := newKeyServer(t, rsaJWK("r1", &rsaKey.PublicKey))
	v := open(t, Config{Secret: testSecret, JWKSURL: server.URL})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			user := fmt.Sprint("user-", i)
			tokens := []string{
				hs256(`{"sub":"` + user + `"}`),
				signed(t, jwt.SigningMethodRS256, rsaKey, jwt.MapClaims{"sub": user}, map[string]any{"kid": "r1"}),
			}
			for n := range 50 {
				if id, err := v.Verify(tokens[n%2]); err != nil || id.UserID() != user {
					t.Errorf("Verify = %+v, %v, want %s", id, err, user)
					return
				}
			}
		})
	}
	wg.Wait()
}

// FuzzVerify: never panics, and what it takes was signed with the secret: the same token under another secret is
// refused.
func FuzzVerify(f *testing.F) {
	f.Add("")
	f.Add("..")
	f.Add(hs256(`{"sub":"42","rooms":["a","b-*"],"scope":"tap","exp":9999999999}`))
	f.Add(hs256(`{"_id":1e21,"name":null}`))
	f.Add(b64(`{"alg":"none"}`) + "." + b64(`{"sub":"42"}`) + ".")
	f.Add(b64(`{"alg":"RS256","kid":"\u0000"}`) + "." + b64(`{"sub":"42"}`) + ".AAAA")
	f.Add(b64(`{"alg":"HS256","crit":1}`) + "." + b64(`null`) + ".AAAA")
	v, other := open(f, Config{Secret: testSecret}), open(f, Config{Secret: testSecret + "2"})
	f.Fuzz(func(t *testing.T, token string) {
		id, err := v.Verify(token)
		if (id == nil) == (err == nil) {
			t.Fatalf("Verify = %v, %v, want one of the two", id, err)
		}
		if err != nil {
			if Reason(err) == "other" {
				t.Fatalf("Verify = %v, which is none of ours", err)
			}
			return
		}
		if _, err := other.Verify(token); !errors.Is(err, ErrSignature) {
			t.Fatalf("another secret's Verify = %v, want ErrSignature", err)
		}
	})
}

// FuzzVerifyClaims signs whatever the payload is: what is taken has a user, and a room that it opens was named.
func FuzzVerifyClaims(f *testing.F) {
	for _, payload := range []string{
		``, `null`, `{}`, `{"sub":42}`, `{"sub":"\ud800"}`, `{"sub":1e400}`, `{"sub":-0}`, `{"id":9007199254740993}`,
		`{"sub":"a","rooms":["x*"]}`, `{"sub":"a","rooms":null}`, `{"sub":"a","exp":1e308,"nbf":-1e308}`, `{"sub":"a","scope":["tap"]}`,
	} {
		f.Add(payload)
	}
	v := open(f, Config{Secret: testSecret})
	f.Fuzz(func(t *testing.T, payload string) {
		id, err := v.Verify(hs256(payload))
		if err != nil {
			return
		}
		if id.UserID() == "" || id.Name() == "" || id.ExpiredAt(time.Now()) {
			t.Fatalf("Verify(%q) = %+v, want a user, a name and time left", payload, id)
		}
		if !strings.Contains(payload, "rooms") && !strings.Contains(payload, `\u00`) && !id.CanJoin("any") {
			t.Fatalf("Verify(%q): a room is closed without the claim", payload)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	rsaKey, ecKey := ownRSAKey(b), newECKey(b)
	server := newKeyServer(b, rsaJWK("r1", &rsaKey.PublicKey), ecJWK("e1", &ecKey.PublicKey))
	v := open(b, Config{Secret: testSecret, JWKSURL: server.URL})
	claims := jwt.MapClaims{"sub": "42", "name": "Ada", "rooms": []string{"team-*", "all"}, "scope": "tap",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	good := signed(b, jwt.SigningMethodHS256, []byte(testSecret), claims, nil)
	for _, c := range []struct{ name, token string }{
		{"HS256", good},
		{"RS256", signed(b, jwt.SigningMethodRS256, rsaKey, claims, map[string]any{"kid": "r1"})},
		{"ES256", signed(b, jwt.SigningMethodES256, ecKey, claims, map[string]any{"kid": "e1"})},
		{"forged", good[:len(good)-8] + "AAAAAAAA"},
		{"16KB of nothing", strings.Repeat("a", MaxTokenBytes)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Verify(c.token)
			}
		})
	}
}

// rsaKeys are made once, since making one takes a while: the server's own, its next one, a stranger's.
var rsaKeys = [...]func() (*rsa.PrivateKey, error){makeRSAKey(), makeRSAKey(), makeRSAKey()}

func makeRSAKey() func() (*rsa.PrivateKey, error) {
	return sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
}

// ownRSAKey, nextRSAKey and strangersRSAKey are three different keys of 2048 bits.
func ownRSAKey(t testing.TB) *rsa.PrivateKey       { return rsaKeyAt(t, 0) }
func nextRSAKey(t testing.TB) *rsa.PrivateKey      { return rsaKeyAt(t, 1) }
func strangersRSAKey(t testing.TB) *rsa.PrivateKey { return rsaKeyAt(t, 2) }

func rsaKeyAt(t testing.TB, i int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsaKeys[i]()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed makes a token as a JWT library does, with more in its header.
func signed(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// derSigned makes an ES256 token whose signature is in ASN.1, as OpenSSL writes it, not in the 64 bytes of RFC 7518.
func derSigned(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	text := b64(`{"alg":"ES256","kid":"e1"}`) + "." + b64(`{"sub":"42"}`)
	sum := sha256.Sum256([]byte(text))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(string(signature))
}

// nextDigit returns a base64url digit that differs from b only in the lowest bit, which in a 32-byte signature's last
// digit is beyond its end.
func nextDigit(b byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[slices.Index([]byte(digits), b)^1:][:1]
}
