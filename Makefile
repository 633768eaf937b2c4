# make run | test | setup | cluster-demo | pins | lint | clean        DEVICE=cpu (default) or gpu
DEVICE ?= cpu
# What `make run` runs: minutes on two processors, or a run of the paper's size on a GPU.
PRESET_cpu := smoke
PRESET_gpu := gpu
PRESET = $(PRESET_$(DEVICE))
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(DEVICE)

.PHONY: run test setup cluster-demo pins lint clean

run: setup
	$(BIN)/codeit run --preset $(PRESET)

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

setup: $(STAMP)

# A Ray cluster of one, two and three nodes, all on this machine: see docs/cluster.md.
cluster-demo: setup
	$(BIN)/codeit bench cluster

# The pins are complete, so nothing is resolved here: see install/README.md.
$(STAMP): install/$(DEVICE).txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "codeit needs Python 3.11 to 3.13: make PYTHON=...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r install/$(DEVICE).txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# Regenerate the pins of both devices from pyproject.toml (needs uv: pip install uv).
pins:
	uv pip compile pyproject.toml --extra cpu --extra lora --extra cluster --extra dev --override install/overrides.txt \
		--python-version 3.11 --no-annotate --custom-compile-command "make pins" -o install/cpu.txt
	uv pip compile pyproject.toml --extra gpu --extra lora --extra cluster --extra dev \
		--python-version 3.11 --no-annotate --custom-compile-command "make pins" -o install/gpu.txt

lint: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info
