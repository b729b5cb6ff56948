# What it takes: Go as go.mod says, and Node 20 or later for the tests that drive real JavaScript clients.

SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME  ?= 30s
GUIDE     ?= -fuzz=.
GO        ?= go
NPM_CI    := npm ci --no-audit --no-fund --loglevel=error
# The race detector needs a C compiler.
RACE      := $(shell command -v $${CC:-gcc} >/dev/null 2>&1 || command -v cc >/dev/null 2>&1 && echo -race)

# The version comes from -ldflags; a checkout that git will not describe must still build.
export GOFLAGS := -buildvcs=false $(GOFLAGS)

.PHONY: all fmt check lint govulncheck test test-long redis test-go test-js fuzz conformance bench bench-cluster bench-growth bench-cuts soak build dist client run example clean

all: lint test build

fmt:
	gofmt -w $$(git ls-files '*.go')

# check fails where gofmt would change something or vet finds something.
check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || echo cmd config examples handlers internal server store)); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change (make fmt does):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...

lint: check
	$(GO) tool staticcheck ./...

# govulncheck asks Go's database of vulnerabilities about what the code can reach. It fails where that has one, and where
# the database cannot be asked: then nothing was checked.
govulncheck:
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; code=0; \
	$(GO) tool govulncheck ./... >"$$log" 2>&1 || code=$$?; cat "$$log"; \
	if grep -q '^govulncheck: fetching vulnerabilities' "$$log"; then \
		echo "NOT RUN: govulncheck: its database cannot be reached, nothing was checked"; exit 1; fi; \
	exit $$code

# What every change must pass: Go, Node, redis-server, and a client of each major version.
test: check redis test-go test-js

# The rest: fuzzing, repeated runs, every client build, a browser, nginx, clients in other languages and runtimes, clusters
# that are measured, known flaws. What is not on this machine is named at the end.
test-long: redis
	@RACE='$(RACE)' test/long.sh

# redis installs redis-server where there is none but this is Debian or its like, and root. Elsewhere the tests that can make
# do with miniredis do, and the others are skipped by name. RUNLEVEL keeps the package from starting a server of its own.
redis:
	@if command -v redis-server >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "cluster tests: no redis-server here, installing it with apt-get"; \
		export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive; \
		{ apt-get -qq -y update && apt-get -qq -y install --no-install-recommends redis-server; } >/dev/null \
			|| { [ "$${CI:-}" != true ] && echo "NOT RUN: tests of clusters that need a real Redis: redis-server could not be installed"; }; \
	else echo "NOT RUN: tests of clusters that need a real Redis: redis-server is not here, the others run on miniredis"; fi

# Many tests wait for timers and for other processes: with more packages at a time than processors the wait of one is the
# work of another.
test-go:
	$(GO) test $(RACE) -p $$((2 * $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2))) ./...

# fuzz runs every fuzz target for FUZZTIME each, half a minute or as the variable says, with one instrumented binary per package;
# findings stay in testdata/fuzz. make test runs every target once with its seeds.
fuzz:
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	for package in $$(grep -rl --include='*_test.go' '^func Fuzz' cmd config handlers internal server store | xargs -r -n1 dirname | sort -u); do \
		$(GO) test -c $(GUIDE) -o "$$work/fuzz.test" ./$$package; \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$package/*_test.go | cut -d' ' -f2); do \
			printf '%s %s: ' "$$package" "$$target"; \
			(cd $$package && "$$work/fuzz.test" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir "$$work/cache") \
				>"$$work/log" 2>&1 || { cat "$$work/log"; exit 1; }; \
			tail -n 1 "$$work/log"; \
		done; \
	done

# test-js drives the built server with the JavaScript clients in test/.
test-js:
	cd test && $(NPM_CI)
	npm --prefix test test --silent

# conformance repeats the tests of the protocols' own rules, on both sides of the wire.
conformance:
	$(GO) test $(RACE) -count=10 -run 'Wire|_[0-9]+$$|Violations|DecodeRefuses|SplitArray|EventNames|Placeholders|RightAfterConnect' ./server/...

# bench-growth shows what one server spends beside what it holds.
bench-growth: build bin/signalbox-bench
	bin/signalbox-bench growth

# bench-cuts breaks connections and restarts servers; it needs Node.
bench-cuts: build bin/signalbox-bench
	bin/signalbox-bench cuts

bench: build bin/signalbox-bench
	bin/signalbox-bench compare

# bench-cluster measures clusters; it needs redis-server and Node.
bench-cluster: build bin/signalbox-bench
	bin/signalbox-bench cluster

# soak checks what servers promise while connections are cut, servers end and Redis is away: MINUTES of it, by a SEED.
MINUTES ?= 10
SEED    ?= 1
soak: build bin/signalbox-bench
	bin/signalbox-bench soak --seed $(SEED) --minutes $(MINUTES)

.PHONY: bin/signalbox-bench
bin/signalbox-bench:
	$(GO) build -trimpath -o $@ ./cmd/signalbox-bench

# client puts npm's socket.io-client where the compiler takes it in; without npm the server redirects to the CDN.
client:
	@if command -v npm >/dev/null 2>&1; then \
		$(NPM_CI) && cp node_modules/socket.io-client/dist/socket.io{,.min,.esm.min,.msgpack.min}.js{,.map} server/client/; \
	else echo "npm is not here: the binary will redirect to the CDN for the browser client"; fi

build: client
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/signalbox ./cmd/signalbox

# dist makes what is released, in dist/: archives for six platforms, deb, rpm, SBOM, licences, checksums. The same commit gives the
# same bytes. PLATFORMS="linux/amd64" makes less.
dist: client
	VERSION='$(VERSION)' deploy/dist.sh

run:
	$(GO) run ./cmd/signalbox

# example runs signalbox with a backend of examples/ behind it, and a page to try them with. BACKEND is node, python or go.
example:
	examples/run.sh

clean:
	rm -rf bin dist node_modules test/node_modules server/client/socket.io*
