# Everything sets itself up: `make demo` and `make test` need only Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

.PHONY: demo test test-all browser slowest theorems checker mutants checked lint docs sheets screenshots journeys kernels wheel bench clean

demo: .venv/installed
	@$(BIN)/layered-paging replay layered_paging/samples/sample.npz --slots 12 24 48 --policy lru llru lfu similar-rounds --reset session --optimum forced

# All tests but those that have a target of their own: theorems, browser.
test: checked
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not browser and not theorems" --junitxml build/tests.xml

test-all: checked
	LAYERED_PAGING_FULL=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --junitxml build/tests.xml

# The pages in a headless Chromium, those of the documentation too; it is built first where it is not.
browser: .venv/ready
	test -e docs/_build/html/index.html || $(MAKE) --no-print-directory docs
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m browser tests/test_pages.py tests/test_play.py tests/test_report.py tests/test_show.py tests/test_journeys.py

# The three journeys of docs/tutorials/journeys.md, as they stand there, with their seconds.
journeys: .venv/ready
	@$(BIN)/python tests/journeys.py

# The slowest 20 tests and files of the last `make test`.
slowest:
	@$(PYTHON) tests/slowest.py

# The proofs in Coq: built, checked again by coqchk, each headline printed with its assumptions (none).
theorems: .venv/ready
	@$(BIN)/python -m layered_paging.theorems --controls build/theorems
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m theorems tests

# The proved checker of certificates, extracted and compiled: prints where it is.
checker: .venv/installed
	@$(BIN)/python -m layered_paging.proved

# Lint and pages side by side: each uses one core.
checked: .venv/ready
	@$(MAKE) --no-print-directory -j2 lint docs

# Every condition of the checker of certificates broken one at a time; the survivors must be those of tests/mutants/checker.txt.
mutants: .venv/ready
	$(BIN)/python tests/mutants/checker.py

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/ready
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

sheets: .venv/ready
	$(BIN)/python docs/lessons/sheet.py sheets

screenshots: .venv/ready
	$(BIN)/python tests/screenshots.py screenshots $(if $(wildcard docs/_build/html),--docs docs/_build/html)

# Kernels compiled ahead, for any processor of this platform; a wheel that is built afterwards holds them.
kernels: .venv/installed
	@$(BIN)/python -m layered_paging.ahead

wheel: .venv/installed
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@wc -c dist/layered_paging-*.whl

# Ours beside peers and floors, in one table; SIZES=--quick only shows that it runs.
bench: .venv/ready
	@$(BIN)/python tests/benchmarks/table.py $(SIZES)

.venv/installed: pyproject.toml
	@echo "Setting up .venv: a minute or a few, nearly all of it downloads. It says nothing meanwhile."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/ready: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
