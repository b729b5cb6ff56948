package server

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
)

const clientText = "/* the client */ var io = function () { return 'socket.io' };\n"

func loadedClient(t *testing.T) *clientFiles {
	t.Helper()
	source := fstest.MapFS{}
	for _, name := range clientNames {
		source[name] = &fstest.MapFile{Data: []byte(strings.Repeat(clientText, 50) + name)}
	}
	files, err := loadClient(source)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestWire41_ClientFiles holds line 41 of the wire checklist: types, quoted ETag, 304, gzip and br.
func TestWire41_ClientFiles(t *testing.T) {
	files := loadedClient(t)
	ask := func(method, name string, headers ...string) *http.Response {
		req := httptest.NewRequest(method, "/socket.io/"+name+"?v=1", nil)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Add(headers[i], headers[i+1])
		}
		rec := httptest.NewRecorder()
		files.serve(rec, req, name)
		return rec.Result()
	}
	for _, name := range clientNames {
		want := strings.Repeat(clientText, 50) + name
		contentType := "application/javascript; charset=utf-8"
		if strings.HasSuffix(name, ".map") {
			contentType = "application/json; charset=utf-8"
		}
		for accept, coding := range map[string]string{
			"": "", "identity": "", "gzip": "gzip", "gzip, deflate, br": "br", "GZIP;q=0.5": "gzip", "br;q=0, gzip": "gzip",
			"*": "br", "*;q=0": "", "deflate": "", "gzip; q=0.000": "", "br ; q=0.1": "br", "gzip;q=x": "",
		} {
			res := ask("GET", name, "Accept-Encoding", accept)
			if got := unpack(t, res); res.StatusCode != 200 || got != want {
				t.Errorf("%s, accepting %q = %d with %d bytes, want 200 and the file", name, accept, res.StatusCode, len(got))
			}
			h := res.Header
			if h.Get("Content-Type") != contentType || h.Get("Content-Encoding") != coding || h.Get("Cache-Control") != "public, max-age=0" || h.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s, accepting %q: headers %v, want %s, coding %q", name, accept, h, contentType, coding)
			}
			etag := h.Get("ETag")
			if len(etag) < 4 || etag[0] != '"' || etag[len(etag)-1] != '"' {
				t.Fatalf("%s: ETag %s, want a quoted one", name, etag)
			}
			for _, tag := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
				if res := ask("GET", name, "If-None-Match", tag, "Accept-Encoding", accept); res.StatusCode != 304 || len(unpack(t, res)) != 0 || res.Header.Get("ETag") != etag {
					t.Errorf("%s with If-None-Match %s = %d, ETag %s, want 304 without a body", name, tag, res.StatusCode, res.Header.Get("ETag"))
				}
			}
			if res := ask("GET", name, "If-None-Match", `"other"`, "Accept-Encoding", accept); res.StatusCode != 200 {
				t.Errorf("%s with another's ETag = %d, want 200", name, res.StatusCode)
			}
			head := ask("HEAD", name, "Accept-Encoding", accept)
			if body, _ := io.ReadAll(head.Body); head.StatusCode != 200 || len(body) != 0 || head.Header.Get("Content-Length") != h.Get("Content-Length") {
				t.Errorf("HEAD %s = %d with %d bytes, length %s, want 200, none, %s", name, head.StatusCode, len(body), head.Header.Get("Content-Length"), h.Get("Content-Length"))
			}
		}
	}
	if res := ask("POST", "socket.io.js"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST = %d, want 405 with the methods that are allowed", res.StatusCode)
	}
	if a, b := ask("GET", "socket.io.js").Header.Get("ETag"), ask("GET", "socket.io.js", "Accept-Encoding", "br").Header.Get("ETag"); a == b {
		t.Errorf("two codings have one strong ETag %s", a)
	}
}

func unpack(t *testing.T, res *http.Response) string {
	t.Helper()
	var in io.Reader = res.Body
	if res.StatusCode == 200 {
		switch res.Header.Get("Content-Encoding") {
		case "gzip":
			z, err := gzip.NewReader(in)
			if err != nil {
				t.Fatal(err)
			}
			in = z
		case "br":
			in = brotli.NewReader(in)
		}
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestClientFilesMissing(t *testing.T) {
	files := &clientFiles{}
	for _, name := range clientNames {
		rec := httptest.NewRecorder()
		files.serve(rec, httptest.NewRequest("GET", "/socket.io/"+name, nil), name)
		if got, want := rec.Header().Get("Location"), "https://cdn.socket.io/4.8.4/"+name; rec.Code != 302 || got != want {
			t.Errorf("%s = %d to %s, want 302 to %s", name, rec.Code, got, want)
		}
	}
}

func TestClientFilesOverHTTP(t *testing.T) {
	cfg := localConfig()
	cfg.ClientDist = t.TempDir()
	if err := os.WriteFile(filepath.Join(cfg.ClientDist, "socket.io.min.js"), []byte(clientText), 0o600); err != nil {
		t.Fatal(err)
	}
	s := runServer(t, cfg, &fakeDoor{})
	res, body := s.get(t, "/socket.io/socket.io.min.js")
	if res.StatusCode != 200 || body != clientText {
		t.Errorf("a file of CLIENT_DIST = %d %q, want 200 and its text", res.StatusCode, body)
	}
	if vary := strings.Join(res.Header.Values("Vary"), ", "); vary != "Origin, Accept-Encoding" {
		t.Errorf("Vary = %s, want Origin, Accept-Encoding", vary)
	}
	if res, _ = s.get(t, "/socket.io/socket.io.esm.min.js"); res.StatusCode != 302 {
		t.Errorf("a file that CLIENT_DIST lacks = %d, want a redirect", res.StatusCode)
	}
	if res, body = s.get(t, "/socket.io/socket.io.evil.js"); body != "door GET /socket.io/socket.io.evil.js" {
		t.Errorf("another name = %d %q, want the door's answer", res.StatusCode, body)
	}
}

func TestFindClient(t *testing.T) {
	dir := t.TempDir()
	dist := filepath.Join(dir, "test", "node_modules", "socket.io-client", "dist")
	if err := os.MkdirAll(dist, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dist, "socket.io.js"), []byte(clientText), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("folder of the tests", func(t *testing.T) {
		if entries, err := builtIn.ReadDir("client"); err != nil || len(entries) > 1 {
			t.Skip("this build has the client built in, which comes first")
		}
		files, err := findClient("", dir)
		if err != nil || files.files["socket.io.js"] == nil {
			t.Errorf("findClient = %v, %v, want the file below test/node_modules", files, err)
		}
	})
	t.Run("configured folder without the client", func(t *testing.T) {
		if _, err := findClient(dir, dir); err == nil || !strings.Contains(err.Error(), "there is no socket.io.js in it; write the path of") {
			t.Errorf("findClient = %v, want what to write instead", err)
		}
	})
	t.Run("configured folder that is not there", func(t *testing.T) {
		if _, err := findClient(filepath.Join(dir, "gone"), dir); err == nil {
			t.Error("findClient of a folder that is not there returned no error")
		}
	})
	t.Run("configured folder with a folder for a file", func(t *testing.T) {
		bad := t.TempDir()
		if err := os.Mkdir(filepath.Join(bad, "socket.io.js"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := findClient(bad, dir); err == nil || !strings.Contains(err.Error(), "CLIENT_DIST=") {
			t.Errorf("findClient = %v, want an error that names the setting", err)
		}
	})
}

// TestClientVersion holds the version of redirects and that of the build equal.
func TestClientVersion(t *testing.T) {
	text, err := os.ReadFile("../package.json")
	if err != nil {
		t.Fatal(err)
	}
	var pkg struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &pkg); err != nil {
		t.Fatal(err)
	}
	if got := pkg.Dependencies["socket.io-client"]; got != clientVersion {
		t.Errorf("package.json takes in socket.io-client %s, redirects name %s", got, clientVersion)
	}
}
