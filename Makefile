# Everything starts from a fresh clone with python3 and make alone; `make help` lists the targets.

# Another interpreter for .venv: PYTHON=python3.12 make setup (not given: the one of the present .venv, else python3).
INTERPRETER := $(or $(PYTHON),python3)
VENV_PYTHON := .venv/bin/python

# The demonstration: generated people in the layout of SYSU-MM01, apart from any real data.
DEMO_DATASETS := datasets/generated
DEMO_IDS := 120
DEMO_IMAGES := 4
DEMO_SEED := 1
DEMO_CONFIG := projects/IDKL/configs/demo.yml
DEMO_OUTPUT := logs/demo

# Two test processes of one thread each are quicker than one process of two threads.
TEST_WORKERS := 2

CODE := datasets_ext projects/IDKL/idkl tools

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

setup:  ## .venv with the pinned, tested versions (at once when nothing changed)
	@command -v $(INTERPRETER) >/dev/null || { echo "error: no Python at '$(INTERPRETER)': install Python 3.10 to 3.13, or name one: PYTHON=python3.12 make setup" >&2; exit 2; }
	@$(INTERPRETER) tools/setup_env.py

demo: setup  ## generate data, train and evaluate on it, and write a report (5 to 8 minutes on two CPU cores)
	rm -rf $(DEMO_OUTPUT)
	$(VENV_PYTHON) tools/generate_dataset.py --layout sysu --root $(DEMO_DATASETS)/SYSU-MM01 \
		--ids $(DEMO_IDS) --images $(DEMO_IMAGES) --seed $(DEMO_SEED)
	FASTREID_DATASETS=$(DEMO_DATASETS) $(VENV_PYTHON) tools/train_net.py --config-file $(DEMO_CONFIG) \
		OUTPUT_DIR $(DEMO_OUTPUT)
	FASTREID_DATASETS=$(DEMO_DATASETS) $(VENV_PYTHON) tools/report.py $(DEMO_OUTPUT)

test: setup  ## the test suite
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(VENV_PYTHON) -m pytest -q -n $(TEST_WORKERS) --dist loadfile tests

lint: setup  ## ruff (format and rules) and mypy
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m mypy $(CODE)

clean:  ## remove .venv, caches, generated data and the demonstration's run
	rm -rf .venv .venv-setup.log build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf $(DEMO_DATASETS) $(DEMO_OUTPUT)
	find $(CODE) tests -name __pycache__ -prune -exec rm -rf {} +
