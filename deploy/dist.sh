#!/usr/bin/env bash
# make dist: what is released, in dist/: an archive for each platform, deb and rpm, the list of what is linked (SBOM), and
# checksums. Two runs of one commit give the same bytes, wherever they run. PLATFORMS="linux/amd64" builds less.
set -euo pipefail
cd "$(dirname "$0")/.."
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
version=${VERSION:-$(git describe --tags --always 2>/dev/null || echo dev)}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
out=${OUT:-dist}
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
export SOURCE_DATE_EPOCH=$epoch CGO_ENABLED=0 TZ=UTC LC_ALL=C
umask 022
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
stages=$(mktemp -d)
trap 'rm -rf "$stages"' EXIT

# tool NAME MODULE: a program of its own module, built for this machine; false where it cannot be had.
tool() {
	[ -x "$stages/$1" ] || GOFLAGS= GOBIN=$stages GOOS= GOARCH= go install "$2" >"$stages/log" 2>&1 || {
		tail -n 3 "$stages/log"
		echo "NOT RUN: ${2##*/} cannot be built: $3"
		return 1
	}
}

# texts NAME FOLDER: the licences in a folder.
texts() {
	printf '=== %s\n\n' "$1"
	find "$2" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort | while read -r text; do
		cat "$text"
		echo
	done
}

# licences: those of all modules in a binary, in the order of their names, then of the browser client that is in it.
licences() {
	go version -m "$1" | awk '$1 == "dep" || $1 == "=>" { print $2, $3 }' | sort | while read -r module release; do
		case $module in ./*) continue ;; esac
		dir=$(go list -m -f '{{if not .Replace}}{{.Dir}}{{end}}' "$module")
		[ -n "$dir" ] || continue # a stand-in of internal/stubs
		texts "$module $release" "$dir"
	done
	if [ -e server/client/socket.io.min.js ]; then
		for dir in node_modules/* node_modules/@*/*; do
			[ ! -e "$dir/package.json" ] || texts "${dir#node_modules/} (npm)" "$dir"
		done
	fi
	printf '=== Go\n\n'
	cat "$(go env GOROOT)/LICENSE"
}

for platform in $platforms; do
	os=${platform%/*} arch=${platform#*/} exe=signalbox
	[ "$os" = windows ] && exe=signalbox.exe
	name=signalbox-$version-$os-$arch
	stage=$stages/$name
	mkdir "$stage"
	echo "$name"
	GOOS=$os GOARCH=$arch go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$version" -o "$stage/$exe" ./cmd/signalbox
	GOOS=$os GOARCH=$arch go build -buildvcs=false -trimpath -ldflags "-s -w" -o "$stage/${exe/signalbox/signalbox-top}" ./cmd/signalbox-top
	cp README.md CHANGELOG.md deploy/signalbox.1 "$stage"
	cp deploy/signalbox.yaml "$stage/signalbox.yaml"
	licences "$stage/$exe" >"$stage/THIRD-PARTY-LICENSES"
	find "$stage" -exec touch -h -d "@$epoch" {} +
	tar -C "$stages" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
	if tool cyclonedx-gomod "$sbom" "no SBOM"; then
		"$stages/cyclonedx-gomod" bin -json -noserial -notimestamp -version "$version" -output "$out/$name.cdx.json" "$stage/$exe" 2>/dev/null
		[ ! -e server/client/socket.io.min.js ] || node deploy/sbom.js "$out/$name.cdx.json"
	fi
	if [ "$os" = linux ] && tool nfpm "$nfpm" "no packages"; then
		gzip -9nk "$stage/signalbox.1"
		find "$stage" -exec touch -h -d "@$epoch" {} +
		sed "s|\${STAGE}|$stage|; s|\${ARCH}|$arch|; s|\${VERSION}|${version#v}|; s|\${MTIME}|$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)|" \
			deploy/nfpm.yaml >"$stages/nfpm.yaml"
		for format in deb rpm; do
			"$stages/nfpm" package -f "$stages/nfpm.yaml" -p "$format" -t "$out/"
		done
	fi
done
(cd "$out" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
