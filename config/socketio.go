package config

import (
	"fmt"
	"slices"
	"strings"
)

// SocketPath is where Socket.IO is always served: the console and the browser client are there.
const SocketPath = "/socket.io"

// Paths are paths where Socket.IO is served beside [SocketPath], without a slash at the end.
type Paths []string

// UnmarshalText parses a comma list of paths. [SocketPath] may be among them.
func (p *Paths) UnmarshalText(text []byte) error {
	var list Paths
	for item := range strings.SplitSeq(string(text), ",") {
		path := strings.TrimSuffix(strings.TrimSpace(item), "/")
		switch {
		case path == "" && strings.TrimSpace(item) == "", path == SocketPath:
		case !isPath(path):
			return fmt.Errorf("%q is no path for Socket.IO; write /realtime/socket.io", item)
		case !slices.Contains(list, path):
			list = append(list, path)
		}
	}
	*p = list
	return nil
}

// isPath reports whether a path can be compared as it is sent, and is nobody else's.
func isPath(path string) bool {
	names := strings.Split(path, "/")
	if len(names) < 2 || names[0] != "" || slices.Contains(taken, names[1]) || strings.HasPrefix(path, SocketPath+"/") {
		return false
	}
	for _, name := range names[1:] {
		if name == "" || name == "." || name == ".." || strings.Trim(name, letters+"._~-") != "" {
			return false
		}
	}
	return true
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// taken are the first names of the paths that the server has for other things.
var taken = []string{
	"api", "console", "demo", "events", "healthz", "metrics", "notification", "readyz", "tap", "time", "ws",
}

// CookieName is the name of a cookie.
type CookieName string

// UnmarshalText checks a name.
//
// Rule: https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
func (n *CookieName) UnmarshalText(text []byte) error {
	if strings.Trim(string(text), letters+"!#$%&'*+-.^_`|~") != "" {
		return fmt.Errorf("not the name of a cookie; write io")
	}
	*n = CookieName(text)
	return nil
}
