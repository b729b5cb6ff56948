package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// password prints a password and its hash for ADMIN_UI_PASSWORD. Without an argument it makes the password up.
func password(_ context.Context, args []string, env environment) error {
	text := rand.Text()
	switch {
	case len(args) == 1 && args[0] != "":
		text = args[0]
	case len(args) > 0:
		return fmt.Errorf("signalbox password takes one password, or nothing to make one up: %w", errUsage)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(text), bcrypt.DefaultCost)
	if err != nil {
		return fmt.Errorf("hash the password: %w", err)
	}
	_, err = fmt.Fprintf(env.stdout, "password: %s\nADMIN_UI_PASSWORD='%s'\n", text, hash)
	return err
}
