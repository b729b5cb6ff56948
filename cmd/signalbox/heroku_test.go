//go:build unix

package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"signalbox/config"
)

const root = "../.."

// TestHeroku builds as Heroku's Go buildpack does, starts the Procfile's own line with PORT set, and talks to it.
//
// Source: https://github.com/heroku/heroku-buildpack-go#go-module-specifics
func TestHeroku(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the whole program")
	}
	app := t.TempDir()
	packages := directive(t, "install")
	install := exec.Command("go", append([]string{"install", "-tags", "heroku"}, strings.Fields(packages)...)...)
	install.Dir = root
	install.Env = append(os.Environ(), "GOBIN="+filepath.Join(app, "bin"), "GOFLAGS=-buildvcs=false") // a slug has no .git
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install %s: %v\n%s", packages, err, out)
	}
	port := freePort(t)
	web := exec.Command("sh", "-c", "exec "+procfile(t, "web")) // the shell does not stay, as on Heroku
	web.Dir = app
	web.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=" + port}
	stdout, err := web.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = web.Process.Kill() }) // an error means that it has ended, as it should
	if url := readURL(t, stdout); url != "http://localhost:"+port {
		t.Errorf("it listens on %s, want PORT=%s", url, port)
	}

	url := "http://127.0.0.1:" + port
	if status, body := get(t, url+"/"); status != 200 || body != "Real-Time Signal Broker" {
		t.Errorf("GET / = %d %q", status, body)
	}
	joinByPolling(t, url)
	if err := web.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := web.Wait(); err != nil {
		t.Errorf("SIGTERM ended it with %v, want 0", err)
	}
}

// directive returns what a +heroku comment of go.mod says.
func directive(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^// \+heroku ` + name + ` (.+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("go.mod has no line // +heroku %s", name)
	}
	return string(found[1])
}

// procfile returns the command of a process type.
func procfile(t *testing.T, process string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Procfile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, process+":"); ok {
			return strings.TrimSpace(command)
		}
	}
	t.Fatalf("Procfile has no process %s", process)
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// joinByPolling is a small Socket.IO client: it opens a session, connects to "/", joins as user 1 and waits for the answer.
func joinByPolling(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	exchange := func(method, query, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, url+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s = %d %q, %v", method, query, res.StatusCode, text, err)
		}
		return string(text)
	}
	var handshake struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(exchange("GET", "", ""), "0")), &handshake); err != nil {
		t.Fatal(err)
	}
	sid := "&sid=" + handshake.SID
	poll := func(want string) {
		for got := ""; !strings.Contains(got, want); {
			packet := exchange("GET", sid, "")
			if packet == "1" {
				t.Fatalf("the session was closed after %q, want %s", got, want)
			}
			got += packet
		}
	}
	exchange("POST", sid, "40")
	poll(`40{"sid":"`)
	exchange("POST", sid, `421["join",{"senderUserId":1,"recipientUserId":-1}]`)
	poll(`431[{"ok":true}]`)
}

// TestAppJSON holds the settings that app.json proposes to the rules of config: it is a server of production with secrets
// of its own, where nothing is open that app.json does not name.
func TestAppJSON(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "app.json"))
	if err != nil {
		t.Fatal(err)
	}
	var app struct {
		Env map[string]struct{ Value, Generator string }
	}
	if err := json.Unmarshal(text, &app); err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, s := range config.Settings() {
		known[s.Name] = true
	}
	for name := range app.Env {
		if !known[name] {
			t.Errorf("app.json sets %s, which is no setting", name)
		}
	}
	cfg, err := config.Load(func(name string) string {
		if app.Env[name].Generator == "secret" {
			return testSecret
		}
		return app.Env[name].Value
	})
	if err != nil {
		t.Errorf("settings of app.json: %v", err)
	}
	if !cfg.Production() || cfg.JWTSecret == "" || cfg.APIKey == "" || cfg.MetricsToken == "" {
		t.Error("app.json sets up no server of production with secrets of its own")
	}
}

// TestHerokuRecipes holds what README and deploy.md tell to type to the rules of config.
func TestHerokuRecipes(t *testing.T) {
	for _, doc := range []string{"README.md", "docs/deploy.md"} {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		settings := make(map[string]string)
		for _, line := range regexp.MustCompile(`(?m)^heroku config:set (.*)$`).FindAllStringSubmatch(string(text), -1) {
			for _, pair := range regexp.MustCompile(`([A-Z_]+)=(\$\([^)]*\)|\S+)`).FindAllStringSubmatch(line[1], -1) {
				if settings[pair[1]] = pair[2]; strings.HasPrefix(pair[2], "$(openssl") {
					settings[pair[1]] = testSecret
				}
			}
		}
		cfg, err := config.Load(func(name string) string { return settings[name] })
		if err != nil || !cfg.Production() || cfg.JWTSecret == "" || cfg.APIKey == "" {
			t.Errorf("%s: the recipe for Heroku is none of a server of production with a secret: %v", doc, err)
		}
	}
}

// TestSystemdRecipe holds the settings that deploy.md gives for systemd to the rules of config: with the secrets filled in it is
// a server of production with nothing open.
func TestSystemdRecipe(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, found := strings.Cut(string(text), "```ini\n# /etc/signalbox.env")
	recipe, _, ended := strings.Cut(recipe, "```")
	if !found || !ended {
		t.Fatal("deploy.md has no /etc/signalbox.env")
	}
	settings := make(map[string]string)
	for _, line := range regexp.MustCompile(`(?m)^([A-Z_]+)=(.*)$`).FindAllStringSubmatch(recipe, -1) {
		settings[line[1]] = line[2]
	}
	load := func() (config.Config, error) { return config.Load(func(name string) string { return settings[name] }) }
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "METRICS_TOKEN") {
		t.Errorf("without secrets: %v, want that METRICS_TOKEN is asked for", err)
	}
	settings["METRICS_TOKEN"], settings["API_KEY"] = testSecret, testSecret
	cfg, err := load()
	if err != nil || !cfg.Production() || len(cfg.Open()) > 0 || len(cfg.Warnings()) > 0 {
		t.Errorf("with secrets: %v, open %v, warnings %v, want a closed server of production", err, cfg.Open(), cfg.Warnings())
	}
}
