package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestTokenSettings holds that what is set of tokens reaches the verifier: whether they have to end, and how far clocks may
// be apart.
func TestTokenSettings(t *testing.T) {
	now := time.Now()
	signed := func(claims jwt.MapClaims) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	endless := signed(jwt.MapClaims{"sub": "42"})
	early := signed(jwt.MapClaims{"sub": "42", "exp": now.Add(time.Hour).Unix(), "nbf": now.Add(40 * time.Second).Unix()})
	for name, tt := range map[string]struct {
		settings       []string
		endless, early int
	}{
		"by default":   {nil, http.StatusOK, http.StatusUnauthorized},
		"with the end": {[]string{"JWT_REQUIRE_EXP=true"}, http.StatusUnauthorized, http.StatusUnauthorized},
		"with leeway":  {[]string{"JWT_LEEWAY=60s"}, http.StatusOK, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := runServe(t, "All settings", append(tt.settings, "JWT_SECRET="+testSecret)...)
			for token, want := range map[string]int{endless: tt.endless, early: tt.early} {
				if got := ask(t, http.MethodGet, r.url+"/api/auth/token/ws", "", []string{"Authorization", "Bearer " + token}); got != want {
					t.Errorf("a ticket for %s = %d, want %d", token, got, want)
				}
			}
		})
	}
}
