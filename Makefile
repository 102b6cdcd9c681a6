# make demo   run the quickstart end to end on the sandbox and write it as a page
# make lab    open JupyterLab on the notebooks
# make test   everything that must hold: format, lint, types, layers, tests, notebooks, browser
# make test-loaded  the tests RUNS times, files in random order, beside two busy loops: none depends on being quick
# make kernels  the tests of kernels with other versions of ipykernel, KERNELS="6.31.0 7.0.1"
# make check  the part of `make test` that takes seconds
# make house  size, density and names of the code, with limits; part of `make check`
# make messages  collect the messages of the code into the catalogues, say which have no translation
# make fidelity  run the tests and write FIDELITY.md from what they saw
# make docs   build the site from docs/, the notebooks and the code: build/site
# make pictures  take the pictures of README and guide in JupyterLab
# make faults  write tests/faults/README.md from the marks of the tests
# make screens  take every screen in both languages, themes and two widths, and write docs/project/screens.md
# make fronts  install other front ends in build/, try live panels in each and take the pictures of docs/project/platforms.md; FRONTS="voila"
# make probe  show what tools/probe would ask the platform, and its cost at most; it sends nothing
# make figures write the quickstart's figures into README and guide
# make bench  measure against other clients, and run the long forms of the batch tests
# make lowest  with the lowest declared versions of what qfnb needs, chat, batch, train and evaluate once; PYTHON=python3.13
# make soak   stream and batch for minutes against a faulty server; an error when descriptors, threads, tasks or memory grow

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 6
RUNS ?= 3
LINTED := qfnb qianfan_sandbox tests tools docs benchmarks notebooks/*.py notebooks/data conftest.py hatch_build.py
KERNELS ?= 6.31.0 7.4.0
SEED ?=
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE  # hundreds of kernels and sandboxes would compile the package anew

.PHONY: demo figures lab test suite test-loaded kernels check lint types house messages fidelity faults probe bench soak lowest docs pictures screens fronts clean

demo: $(READY)
	$(BIN)/python notebooks/run.py 00_quickstart.ipynb --html build/quickstart.html

lab: $(READY)
	$(BIN)/jupyter lab notebooks

test: lint house
	$(MAKE) --no-print-directory --jobs 2 suite types docs

suite: $(VENV)/.collected
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

# pytest compiles the tests of a fresh clone when it collects them: once here, not in each of the processes
$(VENV)/.collected: $(READY)
	$(BIN)/python -m pytest --collect-only --quiet --quiet >$@.log || (cat $@.log; exit 1)
	touch $@

test-loaded: $(READY)
	$(BIN)/python tests/support/loaded.py --runs $(RUNS) $(if $(SEED),--seed $(SEED)) \
	  --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

kernels: $(READY)
	for version in $(KERNELS); do \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
	    --target build/ipykernel-$$version ipykernel==$$version && \
	  PYTHONPATH=$(CURDIR)/build/ipykernel-$$version $(BIN)/python -m pytest -m "kernel and not browser" tests || exit 1; \
	done

check: lint types house

lint: $(READY)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/ruff check $(LINTED)
	$(BIN)/lint-imports --no-logo

house: $(READY)
	$(BIN)/python tools/house.py --check qfnb qianfan_sandbox

types: $(READY)
	$(BIN)/mypy -p qfnb -p qianfan_sandbox

messages: $(READY)
	PYTHONPATH=tests $(BIN)/python -m support.messages

fidelity: $(READY)
	mkdir -p build
	QFNB_EVIDENCE=build/evidence.json $(BIN)/python -m pytest --quiet tests
	$(BIN)/python tests/support/fidelity.py build/evidence.json

faults: $(READY)
	$(BIN)/python tests/support/fault_table.py

docs: $(READY)
	$(BIN)/python docs/generate.py build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(READY)
	PYTHONPATH=tests $(BIN)/python docs/take_pictures.py

screens: $(READY)
	PYTHONPATH=tests $(BIN)/python docs/take_screens.py

fronts: $(READY)
	PYTHONPATH=tests $(BIN)/python docs/front_ends.py $(FRONTS)

probe: $(READY)
	PYTHONPATH=tools $(BIN)/python -m probe --dry-run

figures: $(READY)
	$(BIN)/python benchmarks/figures.py
	$(BIN)/python notebooks/run.py 00_quickstart.ipynb --save
	$(BIN)/python notebooks/run.py 00_quickstart.zh.ipynb --save

bench: $(READY)
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/outputs.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/learning.py
	$(BIN)/python benchmarks/refusals.py
	$(BIN)/python benchmarks/intervals.py
	PYTHONPATH=tests $(BIN)/python benchmarks/rate_limits.py
	PYTHONPATH=tests $(BIN)/python benchmarks/rate_limits.py --real
	PYTHONPATH=tests $(BIN)/python benchmarks/rate_limits.py --limits
	QFNB_FULL=1 $(BIN)/python -m pytest --timeout 900 --durations 3 tests/batching/test_crash.py tests/batching/test_memory.py \
	  tests/batching/test_batch.py::test_every_row_is_asked_exactly_once

soak: $(READY)
	$(BIN)/python benchmarks/soak.py

# wheels only: an older version would be compiled on a newer Python
lowest:
	$(PYTHON) -m venv --clear build/lowest
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lowest/bin/uv pip compile --quiet --python build/lowest/bin/python --resolution lowest-direct --only-binary :all: \
	  --output-file build/lowest/requirements.txt pyproject.toml
	build/lowest/bin/uv pip install --quiet --python build/lowest/bin/python --requirements build/lowest/requirements.txt
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
	build/lowest/bin/python benchmarks/lowest.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,lab]'
	touch $(READY)

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
