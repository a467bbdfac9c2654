# Run `make` for the list of what can be made.

GO      ?= go
BIN     := bin
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/p4nic/p4nic/internal/version.Version=$(VERSION)
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## nicctl and nicd, static, into bin/
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: demo
demo: build ## a P4 router carries real traffic on this machine (root: eBPF; else the simulator)
	$(BIN)/nicctl demo

.PHONY: test
test: ## all tests; as root also those of the kernel datapath
	$(GO) test $(TESTFLAGS) ./...

.PHONY: race
race: ## all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

.PHONY: lint
lint: ## gofmt, vet (amd64 and arm64), staticcheck, import rules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test ./internal/importrules

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s each)
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-10s} $$p || exit 1; done; done

.PHONY: kernels
kernels: ## tests and demo inside Linux 6.1 and 6.12, amd64 and arm64, emulated; KERNELS=flags
	$(GO) run ./test/kernels $(KERNELS)

.PHONY: nightly
nightly: kernels ## what takes too long for every change

.PHONY: corpus
corpus: ## replay public programs (testdata/corpus) against the checkout P4C=DIR; UPDATE=1 records
	@test -n '$(P4C)' || { echo 'make corpus P4C=DIR: a checkout of https://github.com/p4lang/p4c'; exit 2; }
	@mkdir -p $(BIN)
	@$(GO) build -o $(BIN)/corpus ./internal/corpus/cmd
	@$(BIN)/corpus -p4c '$(P4C)' $(if $(UPDATE),-update) $(if $(V),-v) $(CORPUSFLAGS)

.PHONY: matrix
matrix: ## which tests cite which checklist ids; UPDATE=1 records; MATRIX='-rows -state open' lists
	@$(GO) run ./internal/matrix/cmd $(if $(UPDATE),-update) $(MATRIX)

.PHONY: mutants
mutants: ## seed N (60) faults by SEED (1) into our code, count what the tests catch; MUTANTS=flags
	@mkdir -p $(BIN)
	@$(GO) build -o $(BIN)/mutants ./internal/mutants/cmd
	@$(BIN)/mutants -n $(or $(N),60) -seed $(or $(SEED),1) $(MUTANTS)

.PHONY: bench
bench: ## programs in the kernel beside C references, ns a packet (root; BENCH=flags): docs/performance.md
	@$(GO) run ./bench/cmd $(BENCH)

.PHONY: bench-go
bench-go: ## the Go benchmarks of the tree, medians and intervals (BENCHGO='-base REV' compares)
	@$(GO) run ./bench/gobench $(BENCHGO)

.PHONY: random
random: ## random programs on all engines, for an hour (RANDOM=flags); root: also in the kernel
	$(GO) run ./internal/p4gen/cmd $(RANDOM)

.PHONY: generate
generate: ## Go code of proto/*.proto (needs protoc, protoc-gen-go, protoc-gen-go-grpc)
	cd proto && protoc --go_out=. --go_opt=module=github.com/p4nic/p4nic/proto \
	  --go-grpc_out=. --go-grpc_opt=module=github.com/p4nic/p4nic/proto nicd.proto bindings.proto routes.proto

.PHONY: golden
golden: ## rewrite golden files; review the diff
	@for p in $$(grep -rlE '"update"' --include=*_test.go . | xargs -n1 dirname | sort -u); do $(GO) test $$p -update || exit 1; done
