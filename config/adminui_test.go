package config

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestAdminUIThatCannotBe(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	good := string(hash)
	for name, tc := range map[string]struct {
		env  []string
		want string
	}{
		"no user":      {[]string{"ADMIN_UI_PASSWORD", good}, "set ADMIN_UI_USER"},
		"no password":  {[]string{"ADMIN_UI_USER", "admin"}, "not a bcrypt hash"},
		"in the clear": {[]string{"ADMIN_UI_USER", "admin", "ADMIN_UI_PASSWORD", "hush"}, "not a bcrypt hash"},
		"too costly":   {[]string{"ADMIN_UI_USER", "admin", "ADMIN_UI_PASSWORD", strings.Replace(good, "$04$", "$15$", 1)}, "cost 15"},
		"no mode":      {[]string{"ADMIN_UI_USER", "admin", "ADMIN_UI_PASSWORD", good, "ADMIN_UI_MODE", "all"}, "ADMIN_UI_MODE"},
		"good":         {[]string{"ADMIN_UI_USER", "admin", "ADMIN_UI_PASSWORD", good, "ADMIN_UI_MODE", "development"}, ""},
		"of PHP":       {[]string{"ADMIN_UI_USER", "admin", "ADMIN_UI_PASSWORD", strings.Replace(good, "$2a$", "$2y$", 1)}, ""},
	} {
		_, err := Load(env(tc.env...))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}
