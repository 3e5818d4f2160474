# Everything a developer types; `make help` lists it. Needs only python3 (3.10 to 3.12, with
# venv and headers), g++ and make: ROS 2, cmake and ninja come as Python wheels.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# Hashes for everything, and no dependency is followed that the lock does not name.
LOCKED := --no-deps --no-build-isolation --use-pep517 --require-hashes
MESSAGES := $(shell find stroke_side_msgs -type f -not -path '*/build/*')
UV_COMPILE := ../$(PY) -m uv pip compile --project . --universal --python-version 3.10 \
  --generate-hashes --no-header --quiet $(ARGS)

SIDE ?= left
SEVERITY ?= 0.8
DEMO := --side $(SIDE) --severity $(SEVERITY) $(if $(PHOTO),--photo '$(PHOTO)') \
  $(if $(CAMERA),--camera $(CAMERA)) $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint bench norms soak lock train-setup train-demo colcon clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

setup: $(VENV)/.environment $(VENV)/.messages $(VENV)/.package  ## make .venv, everything pinned; nothing when up to date

demo: setup  ## simulated patient + monitor + live table: SIDE=left|right|none SEVERITY=0..1 PHOTO=face.jpg CAMERA=0
	$(PY) -m stroke_side_monitor.demo $(DEMO)

test: setup  ## the whole suite (ARGS='-k name' chooses)
	$(PY) -m pytest $(ARGS)

lint: setup  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m mypy

bench: setup  ## time and memory per frame, beside the floor; writes bench.json
	$(PY) -m stroke_side_monitor.bench $(ARGS)

norms: setup  ## compute config/norms.yaml again from the healthy faces
	$(PY) -m stroke_side_monitor.norms_from_faces $(ARGS)

soak: setup  ## 30 minutes at 30 Hz: memory, latency, threads, file descriptors
	$(PY) -m stroke_side_monitor.soak $(ARGS)

train-setup: .venv-train/.environment  ## make .venv-train, the trainer's own environment

train-demo: train-setup  ## a short training run on simulated palsies
	.venv-train/bin/python -m training.demo $(ARGS)

colcon: setup  ## build both packages with colcon, as a robot does, into install/
	. $(VENV)/bin/activate && colcon build --event-handlers console_direct+

lock: setup  ## resolve requirements/*.in into pinned, hashed *.txt (ARGS=--upgrade for newer ones)
	cd requirements && $(UV_COMPILE) runtime.in -o runtime.txt
	cd requirements && $(UV_COMPILE) dev.in -o dev.txt
	cd requirements && $(UV_COMPILE) build.in -o build.txt

clean:  ## remove .venv and everything built
	rm -rf $(VENV) build install log stroke_side_msgs/build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.python:
	@$(PYTHON) requirements/check_machine.py
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.environment: requirements/build.txt requirements/dev.txt | $(VENV)/.python
	@echo 'setup: installing the pinned packages (about 800 MB on disk, once)'
	$(PIP) install $(LOCKED) -r requirements/build.txt
	$(PIP) install $(LOCKED) -r requirements/dev.txt
	@touch $@

$(VENV)/.messages: $(VENV)/.environment $(MESSAGES)
	@echo 'setup: building the messages (about 20 s, once)'
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PIP) install --no-deps --no-build-isolation --force-reinstall ./stroke_side_msgs
	@touch $@

$(VENV)/.package: $(VENV)/.environment setup.py setup.cfg package.xml
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv-train/.environment: training/requirements.txt
	@$(PYTHON) requirements/check_machine.py
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip install --no-deps --require-hashes -r training/requirements.txt
	@touch $@
