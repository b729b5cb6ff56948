package listen

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/config"
	"signalbox/server/listen/certtest"
)

// TestHandshakesLookForANewCertificate, every two seconds at most, and say once where it cannot be used.
func TestHandshakesLookForANewCertificate(t *testing.T) {
	pair := certtest.New(t)
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		cfg := config.Default()
		cfg.TLSCertFile, cfg.TLSKeyFile = pair.Cert, pair.Key
		s, err := NewTLS(cfg, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		first := pair.Leaf
		shown := func() string {
			c, err := s.Config.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf.SerialNumber.String()
		}
		pair.Renew(t)
		if shown() != first.SerialNumber.String() {
			t.Error("the files are looked at for each handshake")
		}
		time.Sleep(lookEvery)
		if shown() != pair.Leaf.SerialNumber.String() {
			t.Error("the new certificate is not shown")
		}
		if err := os.WriteFile(pair.Cert, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(lookEvery)
			if shown() != pair.Leaf.SerialNumber.String() {
				t.Error("a certificate that cannot be used has taken the place of one that can")
			}
		}
		if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
			t.Errorf("%d errors in the log:\n%s", got, &log)
		}
		pair.Renew(t)
		time.Sleep(lookEvery)
		if shown() != pair.Leaf.SerialNumber.String() {
			t.Error("a certificate is not shown after one that could not be used")
		}
	})
}
