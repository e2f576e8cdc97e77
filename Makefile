# make run       build and start the hub with this board's sensors
# make test      everything that CI runs; installs what it needs when it may
# make check     gofmt, vet, staticcheck, import walls, size budget
# make release   static binaries for linux in dist/, with SHA256SUMS
# make deb       Debian packages in dist/ for armhf (armv6), arm64, amd64, riscv64
# make apk ipk   the same for Alpine, and OpenWrt
# make firmware  the Arduino library and the ESPHome component as folders in dist/
# make container the image of the binary alone, for this machine's kind of processor, by podman or docker
# make board     boot Debian under qemu with the package and cut its power, ~10 min
# make fuzz      each fuzz target for FUZZTIME (default 20s)
# make attack    the attack suite in full, ~5 min; make test has a short form
# make soak      64 clients of all dialects for SOAK (default 10m); SOAK_CLOCK=100 for a faster clock
# make pictures  the dashboard's for the pages about it, after a quarter of an hour of readings
# make bench     benchmarks in the form that benchstat reads
# make perf      measure beside the peers and rewrite firmware-notes/performance.md (40 min, quiet machine)
# make perf-page the page again from the rows that are there

SHELL       := /bin/bash
.DEFAULT_GOAL := build
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# HTTP/2 is left out: 328 KB of a protocol that WebSockets do not use.
# lean: the dashboard is packed, and there are no profiles.
TAGS        := nethttpomithttp2,lean
LDFLAGS     := -s -w -X main.version=$(VERSION)
# Packages whose code runs seldom are compiled to be small: without inlining (1 MB of
# the armv6 binary), defer without a copy at each return, make without a second way
# over the stack (40 KB). What touches every reading is not among them, nor the field
# arithmetic and the ciphers of TLS.
SMALL       := -l -d=noopendefer=1,variablemakethreshold=0
COLD        := context encoding/asn1 encoding/base64 encoding/csv encoding/json encoding/pem \
  archive/tar net net/http net/http/... net/netip net/textproto net/url mime mime/... math/big math/rand fmt flag reflect \
  log log/slog os os/signal os/user io/fs path/filepath sort text/tabwriter time compress/flate \
  internal/bisect internal/fmtsort internal/godebug \
  crypto/des crypto/ecdh crypto/ecdsa crypto/ed25519 crypto/elliptic crypto/hkdf crypto/hpke crypto/md5 crypto/mlkem crypto/rand crypto/rsa \
  crypto/sha3 crypto/tls crypto/x509 crypto/x509/... crypto/internal/rand crypto/internal/sysrand \
  $(addprefix crypto/internal/fips140/,drbg ecdh ecdsa ed25519 edwards25519 hkdf mlkem nistec rsa sha3 tls12 tls13) \
  vendor/golang.org/x/crypto/cryptobyte/... vendor/golang.org/x/net/idna vendor/golang.org/x/text/... golang.org/x/net/... golang.org/x/sys/unix \
  github.com/miekg/dns github.com/grandcat/zeroconf github.com/cenkalti/backoff github.com/gorilla/websocket \
  github.com/BurntSushi/toml github.com/spf13/pflag github.com/fxamacker/cbor/v2 github.com/HdrHistogram/hdrhistogram-go rsc.io/qr/... \
  topicd/node/client/... topicd/node/supervisor topicd/node/sense topicd/node/uplink/... topicd/node/homeassistant topicd/node/mosquitto \
  topicd/node/access topicd/node/state topicd/node/front topicd/node/exposition topicd/node/once topicd/node/pause topicd/node/web/... topicd/node/doctor topicd/node/store topicd/node/durable topicd/node/ustar \
  topicd/node/dialect topicd/node/dialect/mws topicd/node/dialect/relay topicd/node/dialect/scd topicd/node/dialect/webchannel \
  topicd/discovery/... topicd/cmd/...
# The collector of before Go 1.26: the new one, made for large heaps, takes 0.5 MiB
# more beside a heap of 8 and 45 KB of the binary. Later Go has no choice.
COLLECTOR   := $(if $(findstring go1.26,$(shell $(GO) env GOVERSION)),GOEXPERIMENT=nogreenteagc)
BUILD       := CGO_ENABLED=0 $(COLLECTOR) $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' $(foreach p,$(COLD),'-gcflags=$p=$(SMALL)')
STATICCHECK := v0.8.2
NFPM        := v2.43.1
BENCHSTAT   := v0.0.0-20260908200009-22c9c6c9d4da
# Bytes of the stripped armv6 binary. 8.6 MB are the hub with its clients and the
# bench; TLS and tokens take 0.5, HTTP with its documents and the dashboard 0.7, the
# dialects 0.4.
SIZE_BUDGET := 10500000
FUZZTIME    ?= 20s
BENCHCOUNT  ?= 6
BENCHTIME   ?= 200ms
TARGETS     := linux-armv6 linux-armv7 linux-arm64 linux-amd64 linux-riscv64

.PHONY: build binary pack run test attack check fmt vet staticcheck walls size release fuzz bench perf perf-page tools clean

build: pack
	@echo "building bin/topicd $(VERSION)"
	@$(BUILD) -o bin/topicd ./cmd/topicd

# For tests of the program itself: OUT, for the system that the environment names.
binary: pack
	$(BUILD) -o $(OUT) ./cmd/topicd

# The dashboard and the documents, gzipped for the build. What is there is replaced
# whole and only if it is another: another make may be building from it.
PACKED := node/web/packed
pack:
	@mkdir -p $(PACKED)/static $(PACKED)/specs .build && at=$$PWD/$$(mktemp -d .build/pack.XXXXXX) && cd node/web && \
	for f in static/* specs/*; do \
		gzip -9nc $$f >$$at/gz && { cmp -s $$at/gz packed/$$f.gz || mv $$at/gz packed/$$f.gz; } || exit 1; \
	done && \
	for p in packed/*/*.gz; do f=$${p#packed/}; [ -e $${f%.gz} ] || rm -f $$p; done && rm -rf $$at

run: build
	bin/topicd serve

test: tools check
	@echo "== go test -race"
	$(GO) test -race -timeout 25m ./...
	@echo "== go test, as boards have it"
	$(GO) test -tags lean ./node/web
	@echo "== go test, 32 bit"
	GOARCH=386 CGO_ENABLED=0 $(GO) test -short -timeout 10m ./...

# The attack suite in full; make test runs a short form.
attack:
	TOPICD_ATTACK=full $(GO) test -v -timeout 20m -run TestAttack ./cmd/topicd

pictures:
	CHECK=screens WAIT=900 $(GO) test -count 1 -timeout 30m -run TestDashboard ./cmd/topicd
	cp .build/screens/dashboard.png .build/screens/wall.png firmware-notes/pictures/

SOAK        ?= 10m
soak:
	TOPICD_SOAK=$(SOAK) TOPICD_SOAK_CLOCK=$(SOAK_CLOCK) $(GO) test -v -timeout 0 -run TestSoak ./cmd/topicd

# What the tests need and Go does not bring; see .ci/tools.
tools:
	@bash .ci/tools

check: fmt vet staticcheck walls size

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt these:"; echo "$$out"; exit 1; }

vet: pack
	$(GO) vet ./...
	$(GO) vet -tags lean ./...

staticcheck: .build/bin/staticcheck-$(STATICCHECK)
	$< ./...

.build/bin/staticcheck-$(STATICCHECK):
	@mkdir -p .build/bin
	GOBIN=$(CURDIR)/.build/bin $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
	@mv .build/bin/staticcheck $@

walls:
	$(GO) test -run 'TestWalls|TestLinked|TestLengths' ./cmd/topicd

size: pack
	@mkdir -p .build
	@GOOS=linux GOARCH=arm GOARM=6 $(BUILD) -o .build/topicd-armv6 ./cmd/topicd
	@n=$$(stat -c %s .build/topicd-armv6); echo "armv6 binary: $$n bytes of $(SIZE_BUDGET)"; \
	  [ $$n -le $(SIZE_BUDGET) ] || { echo "over the budget"; exit 1; }

release: pack $(TARGETS:%=dist/topicd-%)
	cd dist && sha256sum $(TARGETS:%=topicd-%) > SHA256SUMS && cat SHA256SUMS

dist/topicd-linux-armv%: .always
	@echo "building $@ $(VERSION)"
	@GOOS=linux GOARCH=arm GOARM=$* $(BUILD) -o $@ ./cmd/topicd

dist/topicd-linux-%: .always
	@echo "building $@ $(VERSION)"
	@GOOS=linux GOARCH=$* $(BUILD) -o $@ ./cmd/topicd

PACKAGES := armv6 arm64 amd64 riscv64
deb apk ipk: .build/bin/nfpm-$(NFPM) $(PACKAGES:%=dist/topicd-linux-%)
	cmd/topicd/packaging/build.sh $(CURDIR)/$< $@ $(PACKAGES)

.build/bin/nfpm-$(NFPM):
	@mkdir -p .build/bin
	GOBIN=$(CURDIR)/.build/bin $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM)
	@mv .build/bin/nfpm $@

# For boards: what their tools want in folders of their own.
firmware:
	firmware-notes/assemble.sh dist

container: dist/topicd-linux-$(shell $(GO) env GOARCH)
	mkdir -p dist/state
	set -- build --build-arg TARGET=$(<F:topicd-%=%) -t topicd:$(VERSION) -f cmd/topicd/packaging/Containerfile dist; \
	  if command -v podman >/dev/null; then podman "$$@" --format docker; else docker "$$@"; fi

.PHONY: .always deb apk ipk container firmware board soak pictures
.always:

# go test -fuzz takes one target of one package at a time.
fuzz:
	@set -e; for f in $$(git ls-files '*_test.go' | xargs grep -l '^func Fuzz'); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$f); do \
	    echo "== ./$$(dirname $$f) $$t"; \
	    $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); \
	  done; done

# Compare two runs: make bench > old; …; make bench > new; .build/bin/benchstat old new
bench: .build/bin/benchstat
	@$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -count $(BENCHCOUNT) ./... | grep -v '^?\|no test files'

.build/bin/benchstat:
	@mkdir -p .build/bin
	@GOBIN=$(CURDIR)/.build/bin $(GO) install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT)

clean:
	rm -rf bin dist .build cmd/topicd/testdata/js/node_modules cmd/topicd/testdata/real/node_modules node/web/testdata/js/node_modules node/web/testdata/browser/node_modules
	find node/web/packed -type f ! -name .keep -delete

perf:
	firmware-notes/performance/measure.sh

perf-page:
	$(GO) run ./firmware-notes/performance

# Needs root: qemu-system-arm qemu-user-static mmdebstrap. BOARD=armhf for the other one.
BOARD ?= arm64
board: deb
	CGO_ENABLED=0 $(GO) build -o .build/topicd-host ./cmd/topicd
	python3 cmd/topicd/packaging/board.py $(BOARD) .build/topicd-host "$$(ls -t dist/topicd_*_$(BOARD).deb | head -1)"
