.PHONY: deps test-deps build demo demo-model test test-arm int8-quality fuzz faults lint format clean
.DEFAULT_GOAL := build

PACKAGES := libopenmpi-dev openmpi-bin libopenblas-dev libssl-dev libyaml-dev pkg-config curl \
  zlib1g-dev libzstd-dev libsnappy-dev liblz4-dev libbrotli-dev
LIBRARIES := ompi-c openblas libcrypto yaml-0.1 zlib libzstd snappy liblz4 libbrotlidec
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
SOURCES := Sources Tests Package.swift
SCRIPTS := $(wildcard launch/*.sh demo/*.sh) launch/slurm.sbatch Tests/Fuzz/run.sh Tests/KernelChecks/arm.sh Tests/Parity/same_bits.sh Tests/Parity/emulated.sh Tests/Parity/int8_seeds.sh .ci/run

# Prints nothing and uses no network if everything is installed.
deps:
	@command -v swift >/dev/null || { \
	  echo "make deps: Swift 6.2 or later is missing: see https://www.swift.org/install/linux/" >&2; exit 1; }
	@if ! { pkg-config --exists $(LIBRARIES) && command -v mpirun && command -v curl; } >/dev/null 2>&1; then \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); fi

build: deps
	@echo "Building shoal (the first time takes some two minutes of two cores) ..."
	@swift build -c release --product shoal --quiet

demo: build
	demo/run.sh

# The demo's base model from nothing, compared with the committed one.
demo-model: build
	demo/make_model.sh

# Programs of HumanEval are Python's; nothing else needs it.
test-deps: deps
	@if ! command -v python3 >/dev/null; then $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3; fi

# In two steps: swift test alone uses other flags than swift build, so it compiles everything again.
test: test-deps
	swift build -c release --build-tests
	swift test -c release --skip-build

# Every kernel on an emulated Arm processor, at its two levels, against the committed hashes.
test-arm:
	Tests/KernelChecks/arm.sh

# The table of docs/results/int8.md: what int8 arithmetic does to results. A quarter of an hour.
int8-quality: deps
	swift build -c release --build-tests
	SHOAL_INT8_QUALITY=demo,qwen2-0.5b,qwen2-1.5b swift test -c release --skip-build --filter Int8QualityTests/table

# Fuzzes all parsers, one after the other, with a million inputs each. FUZZ_RUNS=20000 is a short run of all.
fuzz: deps
	Tests/Fuzz/run.sh

# Kills, stops and damages runs and fills their disks, FAULTS times per kind, and appends the tally to
# docs/results/faults.md. FAULTS=10 is a short run of all kinds. Another SEED hits other moments and places.
# TRAINED=adapter or TRAINED=model: only runs that train one.
FAULTS ?= 100
SEED ?= 1
TRAINED ?=
faults: deps
	swift build -c release --build-tests
	SHOAL_FAULTS=$(FAULTS) SHOAL_FAULT_SEED=$(SEED) SHOAL_FAULT_TRAINED=$(TRAINED) swift test -c release --skip-build --filter FaultTests/campaign

lint:
	swift format lint --strict -r $(SOURCES)
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); \
	else echo "make lint: shellcheck is missing, scripts are not checked" >&2; fi

format:
	swift format -i -r $(SOURCES)

clean:
	swift package clean
