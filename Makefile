# Every target does everything that it needs, and prints the time of each phase.
#
#   make demo      see it work
#   make test      set up, build, and run all tests
#   make check     formatting, vet, and the rules about imports and sizes
#   make fuzz      every fuzz target for FUZZTIME (30s)
#   make bench     every benchmark
#   make drivers   the tests with other languages' PostgreSQL drivers
#   make soak      the long tests

GO ?= go
TEST_TIMEOUT ?= 40m
SOAK_TIMEOUT ?= 12h
PHASE := scripts/phase

.PHONY: all setup build demo test check bench fuzz drivers soak clean

all: build

setup:
	@$(PHASE) setup scripts/setup

build: setup
	@$(PHASE) build $(GO) build -o bin/ ./cmd/...

demo: build
	@$(PHASE) demo bin/clarus demo

test: build
	@$(PHASE) test $(GO) test -timeout $(TEST_TIMEOUT) ./...

check: setup
	@$(PHASE) check scripts/check

bench: setup
	@$(PHASE) bench scripts/bench

fuzz: setup
	@$(PHASE) fuzz scripts/fuzz

drivers: build
	@$(PHASE) drivers scripts/drivers -run "TestNodePg|TestJDBC|TestPsycopg|TestPgx" -timeout $(TEST_TIMEOUT)

soak: build
	@$(PHASE) soak scripts/tagged soak -timeout $(SOAK_TIMEOUT)

clean:
	rm -rf bin
