package config

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// maxPasswordCost is the highest cost of bcrypt that is taken: each step doubles the time that every sign-in takes.
const maxPasswordCost = 14

// adminUIFaults returns what cannot be of the settings for the Admin UI.
func (c Config) adminUIFaults() []error {
	switch {
	case c.AdminUIUser == "" && c.AdminUIPassword == "":
		return nil
	case c.AdminUIUser == "":
		return []error{errors.New("ADMIN_UI_PASSWORD: there is no user; set ADMIN_UI_USER")}
	}
	cost, err := bcrypt.Cost([]byte(c.AdminUIPassword))
	switch {
	case err != nil:
		return []error{errors.New("ADMIN_UI_PASSWORD: not a bcrypt hash; `signalbox password` prints a password and its hash")}
	case cost > maxPasswordCost:
		return []error{fmt.Errorf("ADMIN_UI_PASSWORD: a hash of cost %d takes too long to check; make one of cost %d or less", cost, maxPasswordCost)}
	}
	return nil
}
