package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

const manHead = `.\" Written by go test ./config -update.
.TH SIGNALBOX 1 "" "signalbox" "User Commands"
.SH NAME
signalbox \- Socket.IO\-compatible realtime server
.SH SYNOPSIS
.B signalbox
.RI [ command ]
.SH DESCRIPTION
signalbox takes messages between browsers, apps and backends: Socket.IO, plain WebSockets, server\-sent events and an HTTP API.
Without a command it serves until SIGINT or SIGTERM.
.SH COMMANDS
.TP
.B serve
serve clients; the default
.TP
.BR "check " [ \-\-write\-example ]
print every setting, where it comes from, and what is wrong with it; or a file for CONFIG
.TP
.BR "health " [ \-\-ready ]
ask the server on this machine, with the same settings, whether it is well
.TP
.B token
mint a token for development and scripts
.TP
.B emit
send an event to clients, or publish on a channel
.TP
.BR "password " [ \fIpassword\fP ]
print a password, made up or this one, with its hash for ADMIN_UI_PASSWORD
.TP
.B version
print the version
.TP
.B help
print every setting
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
stop in order; a second one ends the process at once
.TP
.B SIGHUP
read the settings again; those marked with * are taken, the others take a restart
.SH FILES
.TP
.I /etc/signalbox.yaml
the settings of the service, by CONFIG
.TP
.I /var/lib/signalbox
what it writes: HISTORY_DB, TLS_CACHE
.SH EXIT STATUS
0 after an orderly end, 1 after a fault, 2 for a command line that cannot be understood.
.SH ENVIRONMENT
`

// TestManPage holds deploy/signalbox.1 and the example of a settings file beside it equal to the settings.
func TestManPage(t *testing.T) {
	roff := strings.NewReplacer(`\`, `\e`, "-", `\-`)
	var man, example bytes.Buffer
	man.WriteString(manHead)
	group := ""
	for _, s := range Settings() {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&man, ".SS %s\n", roff.Replace(group))
		}
		star, def := "", ""
		if s.Live() {
			star = " *"
		}
		if s.Default != "" {
			def = ", default " + s.Default
		}
		fmt.Fprintf(&man, ".TP\n.BR %s \" (%s%s)%s\"\n%s\n", s.Name, roff.Replace(s.Unit), roff.Replace(def), star, roff.Replace(s.Doc))
	}
	if err := WriteExample(&example); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"../deploy/signalbox.1": man.String(), "../deploy/signalbox.yaml": example.String()} {
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the settings say, %v; run go test ./config -update", path, err)
		}
	}
}
