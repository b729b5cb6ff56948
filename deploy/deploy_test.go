// Package deploy has no code: it holds what signalbox is installed by, and these tests keep it in step with the settings.
package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"signalbox/config"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start checks that a server would start with these settings, and what else of them is set somewhere secret.
func start(t *testing.T, where string, set map[string]string) config.Config {
	t.Helper()
	known := make(map[string]bool)
	for _, s := range config.Settings() {
		known[s.Name] = true
	}
	for name := range set {
		if !known[name] && name != "GOMEMLIMIT" {
			t.Errorf("%s sets %s, which is no setting", where, name)
		}
	}
	cfg, err := config.Load(func(name string) string {
		if name == "JWT_SECRET" || name == "METRICS_TOKEN" {
			return strings.Repeat("0123456789abcdef", 2)
		}
		return set[name]
	})
	if err != nil {
		t.Errorf("with the settings of %s no server would start: %v", where, err)
	}
	if !cfg.Production() {
		t.Errorf("%s does not set SIGNALBOX_ENV=production", where)
	}
	return cfg
}

func TestKubernetes(t *testing.T) {
	var d struct {
		Spec struct {
			Template struct {
				Spec struct {
					Grace      int `yaml:"terminationGracePeriodSeconds"`
					Containers []struct {
						Env []struct{ Name, Value string }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "kubernetes/deployment.yaml")), &d); err != nil {
		t.Fatal(err)
	}
	pod := d.Spec.Template.Spec
	set := make(map[string]string)
	for _, e := range pod.Containers[0].Env {
		set[e.Name] = strings.ReplaceAll(e.Value, "$(POD_IP)", "10.0.0.5")
	}
	delete(set, "POD_IP") // only for NODE_URL
	cfg := start(t, "deployment.yaml", set)
	if grace := time.Duration(pod.Grace) * time.Second; grace < cfg.ShutdownTimeout+5*time.Second {
		t.Errorf("a pod is killed after %v, and SHUTDOWN_TIMEOUT is %v", grace, cfg.ShutdownTimeout)
	}
	if cfg.DrainDelay < 3*time.Second {
		t.Errorf("DRAIN_DELAY=%v is less than it takes to be out of the Service", cfg.DrainDelay)
	}
	resources := regexp.MustCompile(`resources: \[(.*)\]`).FindStringSubmatch(read(t, "kubernetes/kustomization.yaml"))
	for _, file := range strings.Split(resources[1], ", ") {
		var any map[string]any
		if err := yaml.Unmarshal([]byte(read(t, "kubernetes/"+file)), &any); err != nil || any["kind"] == nil {
			t.Errorf("%s is no manifest: %v", file, err)
		}
	}
	// kustomize fills no selector that is empty, and an empty one is every pod of the namespace.
	for file, selector := range map[string]string{"pdb.yaml": "selector", "networkpolicy.yaml": "podSelector"} {
		var m struct {
			Spec map[string]any
		}
		if err := yaml.Unmarshal([]byte(read(t, "kubernetes/"+file)), &m); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(m.Spec[selector]); got != "map[matchLabels:map[app.kubernetes.io/name:signalbox]]" {
			t.Errorf("%s is about the pods %s", file, got)
		}
	}
}

func TestCompose(t *testing.T) {
	var c struct {
		Server struct {
			Environment map[string]string
			Grace       string `yaml:"stop_grace_period"`
		} `yaml:"x-signalbox"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	set := c.Server.Environment
	for _, found := range regexp.MustCompile(`(\w+)=(\S+)`).FindAllStringSubmatch(regexp.MustCompile(`(?m)^ENV (.*)$`).FindString(read(t, "../Dockerfile")), -1) {
		set[found[1]] = found[2]
	}
	for name, value := range set { // ${NAME:-default} and ${NAME:?why}
		if found := regexp.MustCompile(`^\$\{\w+:-(.*)\}$`).FindStringSubmatch(value); found != nil {
			set[name] = found[1]
		}
	}
	cfg := start(t, "compose.yaml", set)
	if grace, err := time.ParseDuration(c.Server.Grace); err != nil || grace < cfg.ShutdownTimeout+5*time.Second {
		t.Errorf("a container is killed after %v, and SHUTDOWN_TIMEOUT is %v", grace, cfg.ShutdownTimeout)
	}
}

// TestNginx holds the configuration of compose.yaml equal to the one of docs/deploy.md, but for names, paths and TLS.
func TestNginx(t *testing.T) {
	page := read(t, "../docs/deploy.md")
	_, rest, _ := strings.Cut(page, "```nginx\n")
	shown, _, _ := strings.Cut(rest, "```")
	lines := func(text string) []string {
		var list []string
		for line := range strings.Lines(text) {
			line = strings.Join(strings.Fields(line), " ")
			if line == "" || strings.HasPrefix(line, "#") || regexp.MustCompile(`^(server [\w.]+:|listen|server_name|ssl_)`).MatchString(line) {
				continue
			}
			list = append(list, regexp.MustCompile(` #.*`).ReplaceAllString(line, ""))
		}
		return list
	}
	got, want := lines(read(t, "compose/nginx.conf")), lines(shown)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("compose/nginx.conf is\n%s\nand docs/deploy.md says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestUnit asks systemd how much of the machine the service is exposed to: below 2 of 10.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "systemd/signalbox.service").CombinedOutput()
	found := regexp.MustCompile(`Overall exposure level for signalbox.service: ([\d.]+)`).FindSubmatch(out)
	if found == nil {
		t.Skipf("systemd-analyze says nothing: %v\n%s", err, bytes.TrimSpace(out))
	}
	if level, _ := strconv.ParseFloat(string(found[1]), 64); level >= 2 {
		t.Errorf("the exposure is %v, want below 2", level)
	}
}

func TestUnitSettings(t *testing.T) {
	unit, set := read(t, "systemd/signalbox.service"), make(map[string]string)
	for _, pair := range strings.Fields(regexp.MustCompile(`(?m)^Environment=(.*)$`).FindStringSubmatch(unit)[1]) {
		name, value, _ := strings.Cut(pair, "=")
		set[name] = value
	}
	set["REQUIRE_AUTH"], set["ALLOWED_ORIGINS"] = "true", "https://app.example.com" // what an operator sets
	cfg := start(t, "signalbox.service", set)
	if found := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(unit); found == nil {
		t.Error("the unit has no TimeoutStopSec")
	} else if n, _ := strconv.Atoi(found[1]); time.Duration(n)*time.Second < cfg.ShutdownTimeout+5*time.Second {
		t.Errorf("systemd kills after %d s, and SHUTDOWN_TIMEOUT is %v", n, cfg.ShutdownTimeout)
	}
}
