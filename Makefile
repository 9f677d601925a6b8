# What is here to call: make test (everything, nothing skipped), make build,
# make fuzz, make bench, make simulate, make screenshots. CONTRIBUTING.md
# describes them.

REAL := $(CURDIR)/bin/real-android
export CGO_ENABLED = 0

.PHONY: build test check judges fuzz bench simulate screenshots

build:
	go build -trimpath -o bin/friday ./cmd/friday

# What is to be there and what is to be looked at first do not wait for each other.
MAKEFLAGS += --jobs=2

# The judges' programs, real Android files, each format's fuzz target for two
# seconds, a throw-away PostgreSQL, and every test. The last line counts. Samples
# of other projects that lie beside the checkout may be missing, and the phones'
# update-binary may have been built with another Go.
#
# The packages that take longest begin first, so that none runs alone at the end;
# one more than two at a time, since several wait for a clock, a browser or a
# database. "check" has vetted the tests too.
LONG := ./cmd/friday ./internal/site ./internal/handset ./internal/rom ./internal/ota ./android/erofs ./android/xz
test: judges check
	@scripts/scratch scripts/fuzz 2s ./android/...
	@FRIDAY_REAL_ANDROID=$(REAL) FRIDAY_AXE=$(REAL)/axe.min.js \
	  scripts/scratch scripts/with-postgres sh -c 'go test -json -vet=off -p 3 -timeout 40m $(LONG) ./... | go run ./scripts/tally -strict -optional "\.\./shared/data|the programs were built with"'

judges:
	@scripts/judges
	@scripts/real-android $(REAL)

check:
	@test -z "$$(gofmt -l android cmd internal scripts)" || { echo "not gofmt'ed:"; gofmt -l android cmd internal scripts; exit 1; }
	@go vet ./...

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 60s
fuzz:
	@scripts/fuzz $(FUZZTIME)

bench:
	go test -run '^$$' -bench . -benchmem ./android/... ./internal/...

# The long simulations of docs/fleet.md: a thousand rollouts at each true rate of
# failure, and HANDSETS handsets against a real server.
HANDSETS ?= 1000000
simulate: build
	bin/friday bench rollout --runs 1000
	bin/friday bench rollout --runs 1000 --enrolled 0.1
	scripts/simulate $(HANDSETS)

# Every page at 390 and 1280 pixels, light and dark, to bin/screenshots.
screenshots: judges
	FRIDAY_SCREENSHOTS=$(CURDIR)/bin/screenshots go test -count=1 -run Browser ./internal/site/...
