#!/usr/bin/env bash
# make test-long: what takes long or needs programs that not every machine has. Every step runs, also after one that failed;
# the end names what failed, and what did not run because something is not on this machine.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()

step() { # name, command
	echo "== $1"
	local name=$1
	shift
	"$@" 2>&1 | tee -a "$log"
	[ "${PIPESTATUS[0]}" = 0 ] || failed+=("$name")
}

# Whether it was checked is for the reader; a database that cannot be reached is no fault of the code.
flaws() {
	local said code=0
	said=$(make --no-print-directory govulncheck 2>&1) || code=$?
	echo "$said"
	[ "$code" = 0 ] || grep -q '^NOT RUN' <<<"$said"
}

# By count, since a slow target that is stopped by the clock may be reported as failed, and without the instrumentation that
# guides it, which is a build of everything again: make fuzz has it.
step "fuzzing" make --no-print-directory fuzz GUIDE="${RACE:-}" FUZZTIME=3000x
step "the rules of the protocols, ten times" make --no-print-directory conformance
step "the load generator against clusters, and minutes of the checker" env LONG=1 go test -count=1 -timeout 40m ./cmd/signalbox-bench
step "servers on a stream of Redis" env LONG=1 go test -count=1 -race -run '/streams' ./server/cluster
step "certificates by ACME" env LONG=1 go test -count=1 -v -run 'TestACME' ./cmd/signalbox
step "a release twice, its packages, the image, the alerts" env LONG=1 go test -count=1 -timeout 40m -v ./deploy
step "JavaScript, a browser, nginx, other languages" env LONG=1 make --no-print-directory test-js
step "known flaws" flaws

echo
grep -h '^NOT RUN:' "$log" | sort -u
if [ ${#failed[@]} -gt 0 ]; then
	printf 'FAILED: %s\n' "${failed[@]}"
	exit 1
fi
echo "make test-long passed"
