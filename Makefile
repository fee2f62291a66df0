# Needs git, make and Python >= 3.11; everything else lives in .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup export train ladder test test-all bench conformance site lint format check lock wheel wheel-check clean

STARTED := $(shell date +%s)
export TF_CPP_MIN_LOG_LEVEL ?= 3
export KERAS_BACKEND ?= tensorflow
export MPLBACKEND ?= Agg
export PYTHONUNBUFFERED := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The locked TensorFlow has wheels for these; the first such Python found makes .venv.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  "$$p" -c "$(SUPPORTED)" 2>/dev/null && echo "$$p"; done; echo python3))
BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := .venv/$(BIN)/python
LOCKED := .venv/.locked
INSTALLED := .venv/.installed

# Plain `=`: the command line overrides these, a stray environment variable does not.
DATA = digits
DATA_DIR =
ROW =
ifneq ($(words $(DATA)),1)
$(error DATA must be one name or path without spaces, got '$(DATA)')
endif
# Of a path with a number of its own, since x.npz may lie in many folders.
NAME := $(patsubst -%,%,$(subst /,-,$(subst ../,,$(DATA:/=))))$(if $(findstring /,$(DATA)),-$(firstword $(shell printf %s '$(abspath $(DATA))' | cksum)))
TRAINED := runs/$(NAME)/model.keras
MODEL = $(TRAINED)
OUT = $(patsubst %/,%,$(dir $(MODEL)))/onnx
# A picture of images, of all else an array: the shell asks once the bundle is there.
SHAPE = json.load(open('$(OUT:/=)/manifest.json'))['input_shape']
SUFFIX = $$($(PY) -c "import json; print('png' if len($(SHAPE)) == 3 else 'npy')")
SAMPLES = $(OUT:/=)-samples.$(SUFFIX)

FLAGS_mnist := --binarize dynamic
TRAIN_FLAGS = $(FLAGS_$(NAME))
CONFORMANCE := build/conformance
ENGINES := build/engines
SITE := build/mkdocs
RUNNERS := $(INSTALLED) $(addprefix $(CONFORMANCE)/,python/.locked node/.locked openvino)
BENCH := build/bench
BENCH_FLAGS =
PYTEST_FLAGS = -n 2 --dist loadfile
LOCK_FLAGS =

define make-venv
@if ! "$(PYTHON)" -c "$(SUPPORTED)" 2>/dev/null; then \
  found=$$("$(PYTHON)" --version 2>/dev/null || echo "no such command"); \
  echo "error: needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is: $$found;" \
    "name one by make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 2; fi
@echo "==> $1, with $$("$(PYTHON)" --version)"
@"$(PYTHON)" -m venv --clear $1 || { rm -rf $1; \
  echo "error: $(PYTHON) cannot make a virtual environment;" \
    "on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
endef

compile-lock = build/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-config --custom-compile-command "make lock" --quiet $(LOCK_FLAGS)

help:  ## Show this list
	@echo "keras-vae: train a VAE with model.fit, ship it as ONNX."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@awk '/^## / {print substr($$0, 4)}' $(MAKEFILE_LIST)

## Variables, as in `make export DATA=mnist`:
##   DATA=digits        digits, mnist, fashion_mnist, cifar10, or a path: .npz, .npy, .csv, .tsv,
##                      .parquet, .h5ad, a folder of images
##   DATA_DIR=dir       a folder that holds the downloaded data set
##   TRAIN_FLAGS=       what `keras_vae train` gets; remove the folder of the run to train again
##   SAMPLE_FLAGS=      what the sampling gets, as `--label 3` of a model with labels
##   MODEL=path.keras   export this model and train nothing
##   OUT=dir            where the bundle goes; beside the model, as onnx/, if not given
##   ROW=mlp            a row of the ladder, a file of benchmarks/ladder
##   PYTHON=python3.12  the Python that makes .venv: 3.11, 3.12 or 3.13
##   BENCH_FLAGS=       what the benchmark gets, as in `make bench BENCH_FLAGS='--only training --rounds 1'`
##   PYTEST_FLAGS=      what pytest gets, as in `make test PYTEST_FLAGS='-x tests/test_noise.py'`

setup: $(INSTALLED)  ## Make .venv and install the locked dependencies

# Two stamps, each touched last: an interrupted install starts afresh, and an edit of
# pyproject.toml does not fetch TensorFlow again.
$(LOCKED): requirements.lock
	$(call make-venv,.venv)
	@echo "==> the locked dependencies; TensorFlow is large, a first download takes minutes"
	$(PY) -m pip install --require-hashes -r requirements.lock
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@echo "==> keras-vae itself"
	$(PY) -m pip install --no-deps --no-build-isolation -e .
	@touch $@

export: $(INSTALLED) $(filter $(TRAINED),$(MODEL))  ## Train if there is no model yet, export to ONNX, sample it
	@echo "==> export $(MODEL) to $(OUT)"
	$(PY) -m export $(MODEL) --out $(OUT)
	@echo "==> draw 64 samples with onnxruntime, without TensorFlow"
	$(PY) -m export.runtime $(OUT) --count 64 --seed 0 $(SAMPLE_FLAGS) --out $(SAMPLES)
	@echo
	@$(PY) -m export.report $(OUT) --picture $(SAMPLES) --started $(STARTED)

train: $(TRAINED)  ## Train alone, into a folder of runs/

runs/$(NAME)/model.keras: | $(INSTALLED)
	@echo "==> train on $(DATA)"
	$(PY) -m keras_vae train $(if $(wildcard runs/$(NAME)/checkpoints),--resume runs/$(NAME), \
	  --data $(DATA) $(if $(DATA_DIR),--data-dir $(DATA_DIR)) $(TRAIN_FLAGS) --out runs/$(NAME))

test: $(INSTALLED)  ## Run the tests and the docstring examples, on TensorFlow
	$(PY) -m pytest $(PYTEST_FLAGS)

test-all: $(INSTALLED) .venv/.torch .venv/.jax2onnx .venv/.hub .venv/.anndata $(CONFORMANCE)/node/.locked $(ENGINES)/.locked $(SITE)/.locked  ## Run every test, heavier repetitions too, on TensorFlow, JAX and PyTorch
	@for backend in tensorflow jax torch; do echo "==> the tests on $$backend"; \
	  KERAS_BACKEND=$$backend $(PY) -m pytest --all $(PYTEST_FLAGS) || exit; done

conformance: $(RUNNERS) .venv/.jax2onnx $(filter $(TRAINED),$(MODEL))  ## Draw the same samples in every runtime, by both converters, and compare
	@if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	  && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "==> chromium is missing: apt-get install chromium"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -qq -y --no-install-recommends chromium; } >/dev/null \
	  || echo "apt-get failed; the table comes without a browser"; fi
	@status=0; for converter in tf2onnx jax2onnx; do out=$(CONFORMANCE)/$$converter; \
	  echo "==> export $(MODEL) to $$out"; \
	  $(PY) -m export $(MODEL) --out $$out --converter $$converter || exit; \
	  echo "==> run $$out in every runtime"; \
	  $(PY) -m tests.conformance.driver $(MODEL) $$out || status=$$?; done; exit $$status

$(CONFORMANCE)/python/.locked: tests/conformance/requirements.lock
	$(call make-venv,$(@D))
	$(@D)/bin/python -m pip install --require-hashes -r $<
	@touch $@

# Ray and Beam, beside numpy and onnxruntime: what a worker of theirs has.
$(ENGINES)/.locked: tests/engines/requirements.lock
	$(call make-venv,$(@D))
	$(@D)/$(BIN)/python -m pip install --require-hashes -r $<
	@touch $@

site: $(SITE)/.locked  ## Build the pages of docs/ as a site into build/site
	$(SITE)/$(BIN)/python -m mkdocs build
	@echo "==> open build/site/index.html"

$(SITE)/.locked: docs/requirements.lock
	$(call make-venv,$(@D))
	$(@D)/$(BIN)/python -m pip install --require-hashes -r $<
	@touch $@

# Without npm or a C++ compiler the table says so, and holds the other rows.
$(CONFORMANCE)/node/.locked: $(addprefix tests/conformance/,package.json package-lock.json .npmrc)
	@mkdir -p $(@D) && rm -f $@ && cp $^ $(@D)
	@if command -v npm >/dev/null; then echo "==> the locked Node packages"; cd $(@D) \
	  && { npm ci --no-audit --no-fund && touch $(@F) || echo "npm ci failed"; }; fi

$(CONFORMANCE)/openvino: tests/conformance/runners/with_openvino.cpp $(CONFORMANCE)/python/.locked
	@if command -v $(CXX) >/dev/null; then echo "==> compile $<"; \
	  wheel=$$($(CONFORMANCE)/python/bin/python -c "import openvino; print(openvino.__path__[0])"); \
	  $(CXX) -std=c++17 -O2 -isystem "$$wheel/include" $< "$$wheel"/libs/libopenvino.so.* \
	    -Wl,-rpath,"$$wheel/libs" -o $@ || echo "$(CXX) failed"; fi

bench: $(INSTALLED) .venv/.torch $(BENCH)/pythae/.locked $(CONFORMANCE)/python/.locked  ## Time training, sampling, evaluation and export beside their rivals
	@echo "==> every contender in a fresh process; about half an hour on two cores"
	$(PY) -m benchmarks --pythae $(BENCH)/pythae/bin/python \
	  $(if $(DATA_DIR),--data-dir $(DATA_DIR)) $(BENCH_FLAGS)

ladder: $(INSTALLED)  ## Print published results beside ours; with ROW=name train and evaluate one
	@$(PY) -m benchmarks.ladder $(ROW) $(if $(DATA_DIR),--data-dir $(DATA_DIR))

$(BENCH)/pythae/.locked: benchmarks/requirements.txt
	$(call make-venv,$(@D))
	$(@D)/bin/python -m pip install -r $<
	@touch $@

.venv/.jax2onnx: $(LOCKED)
	@echo "==> jax2onnx, for the converter of models on JAX"
	$(PY) -m pip install jax2onnx==0.17.1
	@touch $@

.venv/.hub: $(LOCKED)
	@echo "==> huggingface_hub, for the tests of sharing"
	$(PY) -m pip install huggingface_hub==2.4.0
	@touch $@

# Without what it depends on, since it asks for pandas 2, and reads and writes these files by 3 too.
CELLS := anndata==0.12.19 array-api-compat==1.16.0 donfig==0.8.1.post1 google-crc32c==1.9.0 \
  legacy-api-wrap==1.5 natsort==8.4.0 numcodecs==0.16.6 scverse-misc==0.0.3 session-info2==0.4.1 \
  zarr==3.1.6

.venv/.anndata: $(LOCKED)
	@echo "==> AnnData, for the tests of counts of cells"
	$(PY) -m pip install --no-deps $(CELLS)
	@touch $@

.venv/.torch: $(LOCKED)
	@echo "==> PyTorch, which only the suites of other backends and the benchmark need"
	$(PY) -m pip install torch==2.13.0
	@touch $@

lint: $(INSTALLED)  ## Check the code, its format, and that imports run downward only
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/$(BIN)/lint-imports

format: $(INSTALLED)  ## Format the code and mend what can be mended
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

check: lint test-all  ## Everything that CI runs

lock:  ## Rewrite the locks from pyproject.toml (LOCK_FLAGS=--upgrade: newest)
	$(call make-venv,build/lock)
	build/lock/bin/python -m pip install uv
	$(compile-lock) pyproject.toml --extra tensorflow --group dev --output-file requirements.lock
	$(compile-lock) --group conformance --constraint requirements.lock \
	  --output-file tests/conformance/requirements.lock
	$(compile-lock) --group engines --output-file tests/engines/requirements.lock
	$(compile-lock) --group site --output-file docs/requirements.lock

wheel: $(INSTALLED)  ## Build the wheels into dist/: keras-vae, and keras-vae-runtime of export/runtime
	rm -rf build/lib dist
	$(PY) -m pip wheel --no-deps --no-build-isolation \
	  --wheel-dir dist .
	$(PY) wheels/runtime.py dist >/dev/null

wheel-check: wheel  ## Install the wheel in a fresh environment and use it from another folder
	$(call make-venv,build/wheel-check)
	build/wheel-check/bin/python -m pip install --require-hashes -r requirements.lock
	build/wheel-check/bin/python -m pip install --no-deps --force-reinstall dist/*.whl
	cd build/wheel-check && bin/keras-vae train --data digits --epochs 1 --out run \
	  && bin/keras-vae-export run/model.keras --out onnx \
	  && bin/keras-vae-sample onnx --count 4 --seed 0 --out samples.png \
	  && bin/python -m keras_vae_runtime onnx --count 4 --seed 0 --out samples.npy

clean:  ## Remove .venv and everything built; the trained models in runs/ stay
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
