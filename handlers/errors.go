package handlers

import "errors"

// errNoIdentity refuses a client whose authentication named nobody: it would be anybody.
var errNoIdentity = errors.New("authentication failed")
