# Generative Models, Live.  `make book` builds the site, `make test` is the whole check; both set themselves up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PYTHONPATH := book/_ext
export OMP_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help book test unit serve pdf zip lab notebooks outputs bench format clean

help:
	@echo "make book       install, execute the notebooks, build the site"
	@echo "make test       the whole check (25 minutes on two cores; what CI runs)"
	@echo "make unit       the quick tests of gmlib: unit tests not marked slow, doctests, error messages"
	@echo "make serve      look at the built site"
	@echo "make pdf        print each chapter of the built site with Chromium, into _build/html/pdf"
	@echo "make zip        the built site to take along, as a zip beside its pages"
	@echo "make lab        open the chapters in JupyterLab"
	@echo "make notebooks  the plain edition for Colab and GitHub, in _build/notebooks"
	@echo "make outputs    refresh the committed outputs that the tests compare"
	@echo "make bench      the table of all benchmarks (make bench NAME=vae runs one, NAME=all all of them)"
	@echo "make format     format code, clean notebooks"
	@echo "make clean      remove what was built (rm -r .venv removes the environment)"

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Python 3.11 or newer is needed; this is %d.%d. Try: make PYTHON=python3.11 ..." % v[:2])'
	@test -x $(BIN)/python || { echo "-- creating the environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "-- installing (the first time takes some minutes, and 2 GB of disk, or 6 with the CUDA libraries)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 -r requirements.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: $(READY)
	@echo "-- executing notebooks"
	@$(BIN)/python -m gmbook.execute
	@echo "-- writing the plain edition"
	@$(BIN)/python -m gmbook.plain
	@echo "-- building pages"
	@$(BIN)/python -m gmbook.build

test: $(READY)
	@$(BIN)/python tests/all.py

unit: $(READY)
	@$(BIN)/python tests/all.py quick

serve: $(READY)
	@$(BIN)/python -m gmbook.serve

pdf: $(READY)
	@$(BIN)/python -m gmbook.pdf

zip: $(READY)
	@$(BIN)/python -m gmbook.offline

lab: $(READY)
	@$(BIN)/python -m jupyter lab --notebook-dir chapters

notebooks: $(READY)
	@$(BIN)/python -m gmbook.execute
	@$(BIN)/python -m gmbook.plain

outputs: $(READY)
	@$(BIN)/python -m gmbook.fill

bench: $(READY)
	@$(BIN)/python -m benchmarks $(NAME)

format: $(READY)
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/python -m gmbook.hygiene chapters/*.ipynb book/*.ipynb

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
