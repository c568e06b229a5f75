# otelnpd: build, check, test. `make` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GOOS   ?= linux
GOARCH ?= $(shell go env GOHOSTARCH)

# git describe where there is a git repository, "dev" in a tarball.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

# The time of the sources, which is that of all that is made of them.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH

# grpcnotrace leaves golang.org/x/net/trace out of gRPC: 5 MB less.
GO_BUILD = CGO_ENABLED=0 GOOS=$(GOOS) GOARCH=$(GOARCH) go build -buildvcs=false -tags grpcnotrace -trimpath \
	-ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)'

# ARGS is what follows `otelnpd run`; RUN and PKG narrow the tests down.
ARGS ?=
PKG  ?= ./...
RUN  ?=
TEST_FLAGS = -timeout 20m $(if $(RUN),-run '$(RUN)')

FUZZTIME ?= 10s
RESULTS  := dist/results

.PHONY: help
help: ## List the targets
	@echo 'Usage: make TARGET [VARIABLE=value]'; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: build ## Build and watch this node with the default configuration (ARGS='--config FILE')
	bin/otelnpd run $(ARGS)

.PHONY: build
build: ## Build bin/otelnpd (GOARCH=arm64 for the other architecture)
	@mkdir -p bin
	$(GO_BUILD) -o bin/otelnpd ./cmd/otelnpd

.PHONY: dist
dist: ## Build dist/otelnpd-linux-{amd64,arm64} and their checksums
	@mkdir -p dist
	@for arch in amd64 arm64; do \
		echo "building dist/otelnpd-linux-$$arch"; \
		$(MAKE) dist/otelnpd-linux-$$arch GOOS=linux GOARCH=$$arch; \
	done
	@cd dist && sha256sum otelnpd-linux-* | tee SHA256SUMS

.PHONY: dist/otelnpd-linux-$(GOARCH)
dist/otelnpd-linux-$(GOARCH):
	@$(GO_BUILD) -o $@ ./cmd/otelnpd

.PHONY: agents
agents: # of both architectures, for what is made of them
	@$(MAKE) dist/otelnpd-linux-amd64 GOARCH=amd64
	@$(MAKE) dist/otelnpd-linux-arm64 GOARCH=arm64

.PHONY: images
images: agents ## Make the images otelnpd and otelnpd-compat as OCI archives in dist/images, with SBOMs
	@cd deploy/image && CGO_ENABLED=0 go run . -version '$(VERSION)' -revision '$(COMMIT)' $(IMAGE_FLAGS)

.PHONY: image-lock
image-lock: ## Pin the newest Debian packages for the images
	@deploy/image/lock

.PHONY: packages
packages: build images ## Make Debian packages in dist/packages
	@.ci/package '$(VERSION)'

.PHONY: release
release: ## Make all that a release has of the git tag that is checked out, in dist/release
	@.ci/release

.PHONY: check
check: ## Static checks: gofmt, vet, golangci-lint, tidy go.mod, builds for arm64
	@.ci/check

.PHONY: fmt
fmt: ## Format the code as check wants it
	@lint=$$(.ci/tool golangci-lint) && "$$lint" fmt && (cd integration && "$$lint" fmt) && (cd deploy/image && "$$lint" fmt)

.PHONY: generate
generate: ## Write anew what is generated: the schema, reference pages and tables of READMEs
	@go test -count 1 ./config/packs ./cmd/otelnpd ./deploy/helm -run '^(TestGenerated.*|TestDocumentationIsFresh)$$' -update

.PHONY: manifests
manifests: ## Render the chart into plain manifests anew (deploy/manifests)
	@.ci/manifests deploy/manifests

.PHONY: test
test: ## All tests that need no server, with the race detector (PKG=, RUN= narrow down)
	@.ci/test unit . $(TEST_FLAGS) $(PKG)

.PHONY: test-image
test-image: agents ## Tests of the images
	@.ci/test image deploy/image -timeout 10m $(if $(RUN),-run '$(RUN)') ./...

.PHONY: integration
integration: ## Tests against real servers, which are built once into the cache (RUN= narrows down)
	@cd integration && nice go run ./servers/prepare
	@.ci/test integration integration -timeout 50m -p 1 $(if $(RUN),-run '$(RUN)') ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	@.ci/fuzz $(FUZZTIME)

.PHONY: ci
.NOTPARALLEL: ci
ci: FUZZTIME = 2s
ci: check test fuzz test-image integration ## Everything that must pass before a merge

.PHONY: bench
bench: ## Measure matching, memory, latency and start of what is built here
	@cd integration && go run ./bench

.PHONY: bench-diff
bench-diff: ## Compare two saved outputs of go test -bench (OLD=FILE NEW=FILE)
	@"$$(.ci/tool benchstat)" $(OLD) $(NEW)

.PHONY: soak
soak: ## Long runs: property tests, 5 minutes a fuzz target, repeated bursts, a long outage, a thousand kills
	OTELNPD_SOAK=1 .ci/test soak . -timeout 2h ./...
	.ci/fuzz 5m
	OTELNPD_SOAK=1 .ci/test soak-bursts integration -timeout 2h -count 20 -run '^Test.*(Burst|Problems)' .
	OTELNPD_SOAK=1 .ci/test soak-reloads integration -timeout 1h -run '^TestReloadUnderLoad$$' .
	OTELNPD_SOAK=1 .ci/test soak-kubernetes integration -timeout 1h -run '^TestKubernetes$$' .
	OTELNPD_SOAK=1 .ci/test soak-readme integration -timeout 2h -run '^TestReadme$$' .
	OTELNPD_SOAK=1 .ci/test soak-durable integration -timeout 4h -run '^Test(Durable|DiskFails|Journald)' .
	OTELNPD_SOAK=1 .ci/test soak-release integration -timeout 1h -run '^TestRelease$$' .

.PHONY: vuln
vuln: ## Look for known vulnerabilities (needs the Go vulnerability database)
	@vuln=$$(.ci/tool govulncheck) && "$$vuln" ./...

.PHONY: clean
clean: ## Remove what was built here (the cache stays)
	rm -rf bin dist
