# Everything sets itself up: a virtual environment in .venv, the packages, the system libraries where
# it may (Debian as root), the pose model. `make demo ARGS="--seconds 20"`, `make test`, `make check`.
SHELL := /bin/bash
PYTHON ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEBIAN_PACKAGES := libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libgles2 libglx-mesa0 libportaudio2
TEST_PACKAGES := xvfb xauth xdotool strace pulseaudio pulseaudio-utils libasound2-plugins

.PHONY: demo test check lint types imports engines clean help

help: ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: .venv/.live ## a couple dances: a window where there is a display, else out/demo.mp4
	$(BIN)/duet demo $(ARGS)

test: .venv/.lab | .venv/.test-system ## every test
	$(BIN)/python -m pytest $(ARGS)

check: lint types imports ## ruff, pyright, import rules

lint: .venv/.lab
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.lab
	$(BIN)/pyright

imports: .venv/.lab
	$(BIN)/lint-imports

engines: .venv/.extras ## TensorRT engines of random weights, S and M: built, not run
	$(BIN)/python scripts/check_engines.py

clean: ## remove the environment
	rm -rf .venv

.venv/.python:
	@python="$$(scripts/find-python "$(PYTHON)")" && "$$python" -m venv .venv
	@touch $@

.venv/.system: .venv/.python
	@if scripts/system-packages $(DEBIAN_PACKAGES); then touch $@; fi

# Order-only: where system packages are missing they are asked for every time, and nothing else is done again.
.venv/.live: .venv/.python pyproject.toml constraints.txt | .venv/.system
	@echo "Installing Duet into .venv (a few minutes, once)"
	$(PIP) -e .
	@$(BIN)/python -m realtime.sight.pose_model >/dev/null 2>&1 || \
		echo "The pose model is out of reach now. Before a camera can lead: $(BIN)/python -m realtime.sight.pose_model"
	@touch $@

.venv/.lab: .venv/.live
	$(PIP) -e '.[lab,dev,film]'
	@touch $@

.venv/.extras: .venv/.lab
	$(PIP) -e '.[tensorrt,openvino,smplx]'
	@touch $@

.venv/.test-system: .venv/.python
	@if scripts/system-packages $(TEST_PACKAGES); then touch $@; fi
