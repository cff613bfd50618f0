# make demo   install, then derain a rainy clip made on the spot
# make test   install what the tests need (torch too), then test
# make quick  the tests that are not slow: for the daily loop
# make lint   formatting, lint, types, import contracts
# make check  lint, then test
# make docs   the site, in site/
# make fuzz   N damaged inputs of each kind (N=200 SERIES=1), each in a process of its own; resumed
# make sanitize-kernels   the CUDA kernels on the CPU under ASan, UBSan and TSan (needs g++)
# make sanitize  tests of native code under gcc's AddressSanitizer and UBSan
# make wheel  the wheels of all platforms, in dist/
# make smoke  this platform's wheel in an empty environment
# make release  what is left to do before a release

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(CURDIR)/$(VENV)/Scripts
else
BIN := $(CURDIR)/$(VENV)/bin
endif
NATIVE := $(wildcard vsj4r/plugin/*.[ch] vsj4r/engine/native/*.[ch])
TARGETS := linux-x86_64 linux-aarch64 win-x86_64 macos-arm64
# a file of tests is one worker's: its fixtures are made once
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --durations 20 --durations-min 10
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# vspipe finds this environment through the `vapoursynth` command on PATH
export PATH := $(BIN):$(PATH)

# loaded before Python, which is built without them
ASAN := $(shell g++ -print-file-name=libasan.so 2>/dev/null)
TSAN := $(shell g++ -print-file-name=libtsan.so 2>/dev/null)
KERNEL_TESTS := $(BIN)/python -m pytest -q -p no:cacheprovider tests/test_cuda_kernels.py -k 'frames or gates or code_means'

.PHONY: setup setup-test demo test quick lint check docs fuzz sanitize-kernels sanitize wheel smoke release

setup: $(VENV)/.installed

setup-test: $(VENV)/.installed-test

$(VENV)/.made:
	@python=$$(scripts/find-python) && echo "making $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@touch $@

# an editable install: the compiled filter is copied in, so it is made again when its source changes
$(VENV)/.installed: pyproject.toml scripts/build_hook.py $(NATIVE) | $(VENV)/.made
	@echo "installing vsj4r into $(VENV)"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing what the tests need (torch among it: this takes a while the first time)"
	@$(PIP) --editable '.[demo,test,train]'
	@touch $@

demo: setup
	$(BIN)/vsj4r demo --overwrite

test: setup-test
	$(TEST)

quick: setup-test
	$(TEST) -m 'not slow'

lint: setup-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/clang-format --dry-run --Werror $(filter-out %/signature.h,$(NATIVE))
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(TEST)

$(VENV)/.installed-docs: $(VENV)/.installed
	@$(PIP) --editable '.[docs]'
	@touch $@

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

N := 200
SERIES := 1
fuzz: setup-test
	$(BIN)/python -m tests.fuzz --series $(SERIES) --number $(N) --record fuzz-$(SERIES).jsonl

sanitize-kernels: setup-test
	LD_PRELOAD=$(ASAN) ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 CXX=g++ \
	    KERNEL_FLAGS='-g -fsanitize=address,undefined -fno-sanitize-recover=all' $(KERNEL_TESTS)
	LD_PRELOAD=$(TSAN) TSAN_OPTIONS=halt_on_error=1:report_bugs=1 CXX=g++ KERNEL_THREADS=4 \
	    KERNEL_FLAGS='-g -fsanitize=thread' setarch -R $(KERNEL_TESTS)

sanitize: setup-test
	$(BIN)/python -m scripts.sanitize address,undefined

wheel: setup-test
	@for target in $(TARGETS); do \
	    VSJ4R_TARGET=$$target $(BIN)/python -m build --wheel --no-isolation || exit 1; \
	done

smoke:
	$$(scripts/find-python) scripts/smoke.py

release: setup-test
	$(BIN)/python -m scripts.release
