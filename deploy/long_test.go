package deploy

import (
	"encoding/json"
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
	files := exec.Command("sh", "-c", `{ git ls-files -z --cached --others --exclude-standard; find server/client node_modules -type f -print0 2>/dev/null; } |
		sort -zu | tar --null -T - -cf - | tar -C "$0" -xf -`, other)
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
	if _, err := os.Stat("../server/client/socket.io.min.js"); err == nil {
		checkClient(t, dir, licences)
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
		install(t, debs[0])
	}
}

// install installs the package as on a machine: on a layer above this one's files, which goes with the test. It is installed
// again as an upgrade is, and removed.
func install(t *testing.T, deb string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg"); err != nil || os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		fmt.Println("NOT RUN: installing the package: it takes dpkg, root and unshare")
		return
	}
	const enter = `set -e
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$0/upper",workdir="$0/work" "$0/root" || { echo no overlay; exit 0; }
cp "$1" "$0/root/new.deb"
exec chroot "$0/root" sh -ec "$2"`
	const steps = `dpkg -i /new.deb
stat -c 'settings %A %U %G' /etc/signalbox.yaml
printf 'JWT_SECRET: 0123456789abcdef0123456789abcdef\nREQUIRE_AUTH: true\nMETRICS: false\nALLOWED_ORIGINS: https://a.example\n' >>/etc/signalbox.yaml
dpkg -i /new.deb
SIGNALBOX_ENV=production CONFIG=/etc/signalbox.yaml setpriv --reuid signalbox --regid signalbox --clear-groups signalbox check | tail -n 1
dpkg -r signalbox
test ! -e /usr/bin/signalbox && test -e /etc/signalbox.yaml && echo removed`
	out := command(t, ".", nil, "unshare", "-m", "sh", "-c", enter, t.TempDir(), deb, steps)
	if out == "no overlay\n" {
		fmt.Println("NOT RUN: installing the package: there is no overlay here")
		return
	}
	for _, want := range []string{"settings -rw-r----- root signalbox\n", "A server would start with these settings.\n", "\nremoved\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("installing the package says nothing of %q:\n%s", want, out)
		}
	}
}

// checkClient looks for what is in the browser client, by its source maps, among the licences and in the list of what is linked.
func checkClient(t *testing.T, dir, licences string) {
	t.Helper()
	lists, _ := filepath.Glob(filepath.Join(dir, "*-linux-amd64.cdx.json"))
	if len(lists) != 1 {
		return // the tool for it is not here
	}
	list := read(t, lists[0])
	var bom struct {
		Components []struct{ PURL string }
	}
	if err := json.Unmarshal([]byte(list), &bom); err != nil || len(bom.Components) < 20 {
		t.Errorf("%d components, %v", len(bom.Components), err)
	}
	maps, _ := filepath.Glob("../server/client/*.map")
	sources := ""
	for _, path := range maps {
		sources += read(t, path)
	}
	for _, name := range []string{"debug", "engine.io-client", "engine.io-parser", "ms", "notepack.io", "component-emitter",
		"socket.io-msgpack-parser", "socket.io-parser", "ws", "xmlhttprequest-ssl"} {
		in := strings.Contains(sources, "/"+name+"/") && name != "ws"
		if has := strings.Contains(list, `"purl": "pkg:npm/`+name+`@`); has != in {
			t.Errorf("the browser client has %s: %t, and the list of what is linked %t", name, in, has)
		}
		if in && !strings.Contains(licences, "=== "+name+" (npm)\n") {
			t.Errorf("the licences lack that of %s", name)
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
