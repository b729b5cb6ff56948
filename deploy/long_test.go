package deploy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func long(t *testing.T) {
	t.Helper()
	if os.Getenv("LONG") != "1" {
		t.Skip("make test-long runs it, with LONG=1")
	}
}

// command runs a program and returns what it says.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestDistIsReproducible makes a release twice, in two places, and compares the checksums.
func TestDistIsReproducible(t *testing.T) {
	long(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "elsewhere", "signalbox")
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	files := exec.Command("sh", "-c", `git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - | tar -C "$0" -xf -`, other)
	files.Dir = root
	if out, err := files.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	platforms := os.Getenv("PLATFORMS")
	if platforms == "" {
		platforms = "linux/amd64"
	}
	var sums []string
	for _, dir := range []string{root, other} {
		out := t.TempDir()
		said := command(t, dir, []string{"OUT=" + out, "PLATFORMS=" + platforms, "VERSION=v1.2.3", "SOURCE_DATE_EPOCH=1700000000"}, "bash", "deploy/dist.sh")
		for line := range strings.Lines(said) {
			if strings.HasPrefix(line, "NOT RUN:") {
				fmt.Print(line)
			}
		}
		sums = append(sums, read(t, filepath.Join(out, "SHA256SUMS")))
		if len(sums) == 1 {
			checkRelease(t, out)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("two builds differ:\n%s\n%s", sums[0], sums[1])
	}
}

// checkRelease looks into what was made.
func checkRelease(t *testing.T, dir string) {
	t.Helper()
	archives, _ := filepath.Glob(filepath.Join(dir, "*-linux-amd64.tar.gz"))
	if len(archives) != 1 {
		t.Fatalf("archives = %v", archives)
	}
	to := t.TempDir()
	command(t, to, nil, "tar", "-xzf", archives[0], "--strip-components=1")
	if out := command(t, to, nil, "./signalbox", "version"); !strings.HasPrefix(out, "signalbox v1.2.3 ") {
		t.Errorf("the released binary says %q", out)
	}
	licences := read(t, filepath.Join(to, "THIRD-PARTY-LICENSES"))
	if _, err := os.Stat("../server/client/socket.io.min.js"); err == nil && !strings.Contains(licences, "=== engine.io-client (npm)\n") {
		t.Error("the licences lack those of the browser client")
	}
	for _, want := range []string{"=== github.com/gin-gonic/gin v", "=== modernc.org/sqlite v", "=== Go\n", "MIT License", "BSD"} {
		if !strings.Contains(licences, want) {
			t.Errorf("the licences lack %q", want)
		}
	}
	for module := range strings.SplitSeq(licences, "=== ") {
		if name, text, _ := strings.Cut(module, "\n"); name != "" && len(strings.TrimSpace(text)) < 200 {
			t.Errorf("%s has no licence", name)
		}
	}
	if debs, _ := filepath.Glob(filepath.Join(dir, "*.deb")); len(debs) == 1 {
		if tool, err := exec.LookPath("dpkg-deb"); err == nil {
			command(t, to, nil, tool, "-x", debs[0], "root")
			if out := command(t, to, []string{"CONFIG=root/etc/signalbox.yaml"}, "root/usr/bin/signalbox", "check"); !strings.Contains(out, "would start") {
				t.Errorf("with the settings of the package: %s", out)
			}
			for _, path := range []string{"usr/bin/signalbox-top", "usr/lib/systemd/system/signalbox.service", "usr/share/man/man1/signalbox.1.gz", "usr/lib/sysusers.d/signalbox.conf"} {
				if _, err := os.Stat(filepath.Join(to, "root", path)); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestImage builds the last stage of the Dockerfile, whose earlier ones need a registry, and runs it: read-only, as its user.
func TestImage(t *testing.T) {
	long(t)
	buildah, err := exec.LookPath("buildah")
	if err == nil {
		_, err = exec.LookPath("crun")
	}
	if err != nil {
		fmt.Println("NOT RUN: the image: buildah and crun are not here")
		t.Skip(err)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root-of-image")
	if err := os.MkdirAll(filepath.Join(root, "etc/ssl/certs"), 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "..", []string{"CGO_ENABLED=0"}, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(root, "signalbox"), "./cmd/signalbox")
	if err := os.WriteFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(read(t, "../Dockerfile"), "\nFROM scratch\n")
	if !ok {
		t.Fatal("the Dockerfile has no stage from scratch")
	}
	stage := "FROM scratch\n" + strings.Replace(last, "COPY --from=build /root-of-image/", "COPY root-of-image/", 1)
	if err := os.WriteFile(filepath.Join(dir, "Containerfile"), []byte(stage), 0o644); err != nil {
		t.Fatal(err)
	}
	storage := []string{"--root", filepath.Join(dir, "storage"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}
	b := func(args ...string) (string, error) {
		cmd := exec.Command(buildah, append(storage, args...)...)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := b("build", "--isolation", "chroot", "--format", "docker", "-t", "signalbox", "-f", filepath.Join(dir, "Containerfile"), dir); err != nil {
		fmt.Println("NOT RUN: the image: buildah cannot build here")
		t.Skipf("%v\n%s", err, out)
	}
	config, err := b("inspect", "--type", "image", "--format", "{{.Docker.Config.User}} {{.Docker.Config.Healthcheck.Test}} {{.Docker.Config.Entrypoint}} {{.Docker.Config.Env}}", "signalbox")
	if err != nil || !strings.Contains(config, "65532:65532") || !strings.Contains(config, "/signalbox health") || !strings.Contains(config, "SIGNALBOX_ENV=production") {
		t.Errorf("the image says %q, %v", config, err)
	}
	from := func(args ...string) string {
		t.Helper()
		id, err := b(append([]string{"from"}, args...)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, id)
		}
		t.Cleanup(func() { _, _ = b("rm", id) })
		return id
	}
	readOnly(t, root)
	id := from("signalbox")
	run := func(args ...string) (string, error) {
		return b(append([]string{"run", "--isolation", "chroot", id, "--"}, args...)...)
	}
	if out, err := run("/signalbox", "version"); err != nil || !strings.HasPrefix(out, "signalbox ") {
		t.Skipf("NOT RUN: the image cannot be run here: %v\n%s", err, out)
	}
	if out, err := run("/signalbox"); err == nil || !strings.Contains(out, "SIGNALBOX_ENV=production: nothing verifies tokens") {
		t.Errorf("the image starts open: %v\n%s", err, out)
	}
}

// readOnly runs the binary as a container does that has a read-only root and no other user than the image's: it serves, says
// that it is well, and ends.
func readOnly(t *testing.T, root string) {
	t.Helper()
	if _, err := exec.LookPath("unshare"); err != nil || os.Geteuid() != 0 {
		fmt.Println("NOT RUN: the image with a read-only root: it takes root and unshare")
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	env := []string{"SIGNALBOX_ENV=production", "HOST=127.0.0.1", "PORT=" + port, "REQUIRE_AUTH=true", "METRICS=false",
		"ALLOWED_ORIGINS=https://app.example.com", "JWT_SECRET=" + strings.Repeat("0123456789abcdef", 2)}
	const enter = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec chroot --userspec=65532:65532 "$0" /signalbox "$1"`
	server := exec.Command("unshare", "-m", "sh", "-c", enter, root, "serve")
	server.Env = append(os.Environ(), env...)
	said := new(strings.Builder)
	server.Stdout, server.Stderr = said, said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = server.Process.Kill() }).Stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }() // awaited below
	for {
		health := exec.Command("unshare", "-m", "sh", "-c", enter, root, "health")
		health.Env = server.Env
		if health.Run() == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("with a read-only root it ended: %v\n%s", err, said)
		case <-time.After(100 * time.Millisecond):
		}
	}
	_ = server.Process.Signal(os.Interrupt)
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v\n%s", err, said)
	}
}

// TestManifests has the types of Kubernetes read what kustomize makes of the manifests: every field is one that there is.
func TestManifests(t *testing.T) {
	long(t)
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		fmt.Println("NOT RUN: the manifests for Kubernetes: kubectl is not here")
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/manifests")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "go.mod.txt"), filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-mod=mod", "-o", "check", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Println("NOT RUN: the manifests for Kubernetes: k8s.io/api cannot be built")
		t.Skipf("%s", out)
	}
	check := exec.Command(filepath.Join(dir, "check"))
	check.Stdin = strings.NewReader(command(t, ".", nil, kubectl, "kustomize", "kubernetes"))
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), " ok\n") != 4 {
		t.Errorf("%v\n%s", err, out)
	}
}
