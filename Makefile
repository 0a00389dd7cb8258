# make demo: build, train LeNet-5 on the digits, show predictions.   make test: every test.
SHELL := /bin/bash
SWIFT ?= swift
BUILD_FLAGS ?= -c release
TOOL = $(shell $(SWIFT) build $(BUILD_FLAGS) --show-bin-path)/martlet
MODEL ?= lenet5.martlet

.PHONY: all deps build lib install install-files test-package data demo demo-text compare-text test test-runtime test-swift \
  test-cli test-lib test-embedded test-counts counts compare compare-fashion bench bench-peers features slow ulp lint clean compare-events \
  compare-recipes conform models exchange embed optimizers fuzz test-fuzz

all: build

# What the build needs beside Swift; installed where apt-get is there and this is root.
deps:
	@scripts/install-dependencies

build: deps
	$(SWIFT) build $(BUILD_FLAGS) --product martlet

# libmartlet.so with the Swift runtime inside: one file for programs in C, C++, Python, …. Built for size, apart
# from the tool: in Swift is the compiler alone, the kernels are C and as fast as they were.
LIB = .build/lib
LEAN = --scratch-path .build-lib -Xswiftc -Osize -Xswiftc -Xfrontend -Xswiftc -function-sections \
  -Xcc -ffunction-sections -Xcc -fdata-sections
lib: deps
	scripts/build-library $(LIB) MartletCONNX $(LEAN)

# Library, header and pkg-config file. DESTDIR=… for packagers.
PREFIX ?= /usr/local
VERSION = $(shell sed -n 's/.*martlet_version.*return "\(.*\)".*/\1/p' Sources/CMartlet/martlet_handles.c)
install: lib install-files
install-files:
	install -d "$(DESTDIR)$(PREFIX)/lib/pkgconfig" "$(DESTDIR)$(PREFIX)/include"
	install -m 755 $(LIB)/libmartlet.so.$(VERSION) "$(DESTDIR)$(PREFIX)/lib"
	cp -P $(LIB)/libmartlet.so $(LIB)/libmartlet.so.[0-9] "$(DESTDIR)$(PREFIX)/lib"
	install -m 644 Sources/CMartlet/include/martlet.h "$(DESTDIR)$(PREFIX)/include"
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' scripts/library/martlet.pc.in \
	  > "$(DESTDIR)$(PREFIX)/lib/pkgconfig/martlet.pc"

# Data sets that are not committed, into downloads/: what cannot be fetched is skipped with the reason.
data:
	scripts/fetch-data

demo: build
	$(TOOL) train lenet5 --output $(MODEL)
	@for i in 7 123 456 789; do $(TOOL) predict $(MODEL) --index $$i || exit 1; done
	@$(TOOL) summary $(MODEL)

# A character model of Hamlet, and what it writes.
demo-text: build
	$(TOOL) train char-lm --output hamlet.martlet
	$(TOOL) sample hamlet.martlet --prompt "HAMLET" --length 300 --temperature 0.7
	$(TOOL) sample hamlet.martlet --prompt "To be" --length 30 --beam 3

# The summary of the Swift tests is the last line.
test: deps test-runtime test-cli test-counts test-embedded test-fuzz test-swift

# The C runtime with gcc and with clang, all warnings as errors; under gcc's sanitizers; for AArch64
# under emulation where the cross-compiler is there.
test-runtime:
	$(MAKE) -j2 -C Runtime gcc clang test
	$(MAKE) -j2 -C Runtime asan
	$(MAKE) -j2 -C Runtime tsan
	@if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then \
	  $(MAKE) -j2 -C Runtime aarch64 test-aarch64; \
	else echo "skipped: AArch64 (needs aarch64-linux-gnu-gcc and qemu-aarch64)"; fi

test-cli: build
	Tests/cli/run.sh $(TOOL)
	Tests/cli/kill.sh $(TOOL)
	Tests/cli/kill_checkpoints.sh $(TOOL) 25

# A package outside of the repository, with the plugins; builds Martlet again, in a folder of its own.
test-package: build
	Tests/package/run.sh $(TOOL) -c release

# What the library may weigh, stripped, with and without ONNX: only ever lowered. The aims are 20 and 10 MB.
LIB_BYTES ?= 17600000
CORE_BYTES ?= 10060000

# The C library from C, C++, Swift and Python.
test-lib: build lib
	scripts/build-library $(LIB)/core MartletC $(LEAN)
	CORE=$(LIB)/core CORE_BYTES=$(CORE_BYTES) Tests/capi/run.sh $(LIB) $(TOOL) $(LIB_BYTES)

# The same as a part of `make test`: with ONNX only, from the objects of the tool, which are as fast as may be and
# not small; times not judged.
FAST_BYTES ?= 20000000
test-embedded: build
	scripts/build-library $(LIB)/fast MartletCONNX
	TIMES=tell Tests/capi/run.sh $(LIB)/fast $(TOOL) $(FAST_BYTES)

# What the benchmark workloads compile to: no count may grow unnoticed. `make counts` records them.
test-counts: build
	scripts/counts $(TOOL)

counts: build
	scripts/counts $(TOOL) --record

# The readers of foreign files under libFuzzer and AddressSanitizer, 15 seconds each, two side by side; without
# libFuzzer (another toolchain) on changed copies of the corpus.
test-fuzz: deps
	@if ls $$(dirname $$(readlink -f $$(command -v $(SWIFT))))/../lib/clang/*/lib/*/libclang_rt.fuzzer* \
	    >/dev/null 2>&1; then \
	  SWIFT=$(SWIFT) scripts/fuzz/run 15; \
	else FUZZ_SECONDS=15 $(SWIFT) test $(BUILD_FLAGS) --filter changesForAWhile; fi

test-swift:
	$(SWIFT) test $(BUILD_FLAGS)

# The ONNX project's own node tests: makes a virtual environment, dumps and runs them, and rewrites the
# table in docs/onnx.md.
conform: build
	scripts/conform-onnx $(TOOL)

# Real models beside ONNX Runtime: outputs and times, and the table in docs/onnx.md. The wheels go to
# downloads/onnx-models.
models: build
	@test -x .venv-onnx/bin/python || { python3 -m venv .venv-onnx && .venv-onnx/bin/pip install -q onnx==1.23.2 onnxruntime==1.31.1 numpy; }
	.venv-onnx/bin/python scripts/compare-onnx-models.py $(TOOL) downloads/onnx-models --time \
	  --write=docs/onnx.md

# A LeNet-5 trained here, in ONNX Runtime and in PyTorch: same accuracy, and weights that come back bit for
# bit. PYTHON=… names an interpreter that has both; without it one is made.
exchange: build
	scripts/exchange $(TOOL)

# docs/optimizers.md: every optimizer with a rate tuned by martlet search, table and picture.
optimizers: build
	scripts/make-optimizers-doc $(TOOL)

# The readers of foreign files under libFuzzer and AddressSanitizer: ten minutes each.
FUZZ_SECONDS ?= 600
fuzz: deps
	SWIFT=$(SWIFT) scripts/fuzz/run $(FUZZ_SECONDS)

# Writes docs/features.md anew.
features:
	MARTLET_RECORD=1 $(SWIFT) test $(BUILD_FLAGS) --filter FeatureTests

# What takes minutes: a hundred times the fuzzing, thousands of random graphs, memory over thousands
# of compilations. One after another: memory is counted for the process.
slow:
	MARTLET_SLOW=1 $(SWIFT) test $(BUILD_FLAGS) --no-parallel --filter 'Slow|survivesDamage|noMutationTraps|ExportTests'
	$(SWIFT) build $(BUILD_FLAGS) --product martlet
	Tests/cli/kill_checkpoints.sh $(TOOL) 500

# Builds and runs every host app of Examples, each a folder with a Makefile, and prints what an embedded
# model costs beside its targets. ONNX Runtime to compare with comes into .venv-onnx at the first run, if it can.
embed: build lib
	@test -x .venv-onnx/bin/python || { python3 -m venv .venv-onnx && .venv-onnx/bin/pip install -q onnx==1.23.2 onnxruntime==1.31.1 numpy; } \
	  || { rm -rf .venv-onnx; echo "no onnxruntime: the table goes without"; }
	scripts/build-library $(LIB)/core MartletC $(LEAN)
	scripts/embed $(TOOL) $(LIB) $(LIB)/core

bench: build
	scripts/bench $(TOOL)

# Beside PyTorch, torch.compile and JAX, installed into .venv-peers at the first run; PYTHON=… names
# another interpreter, OPTIONS=… passes options (--quick: 10 minutes; --help). Writes docs/benchmarks.md.
bench-peers: deps
	scripts/bench-peers $(OPTIONS)

# Against PyTorch, installed into .venv-compare at the first run; PYTHON=… names another one.
compare: deps
	scripts/compare

# The same recipe on Fashion-MNIST, three seeds each in turn: accuracy and time.
compare-fashion: build
	PYTHON=$${PYTHON:-.venv-compare/bin/python}; $$PYTHON Benchmarks/compare/fashion.py $(TOOL)

# The character model beside the same one in PyTorch, three seeds each in turn: bits and time.
compare-text: build
	$${PYTHON:-.venv-compare/bin/python} Benchmarks/compare/text.py --tool $(TOOL)

# The built-in recipes beside scikit-learn and PyTorch on the same split; PYTHON has both.
compare-recipes: build
	$${PYTHON:-.venv-compare/bin/python} Benchmarks/compare/recipes.py $(TOOL) --write docs/recipes.md

# Event files as TensorBoard's own reader sees them; installs tensorboard into .venv-events at the
# first run.
compare-events:
	scripts/compare-events

# Every float through every elementary function, on each instruction set: 15 minutes; writes docs/accuracy.md.
ulp:
	$(MAKE) -C Runtime ulp

lint:
	$(SWIFT) format lint --strict --recursive Sources Tests Package.swift

clean:
	rm -rf .build .build-lib Runtime/.build
