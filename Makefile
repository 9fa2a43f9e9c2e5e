# One menu for people and CI. PYTHON=/path/to/python3.12 chooses the Python; ARGS="..." goes to the command.
.DEFAULT_GOAL := help
SHELL := /bin/sh
python := sh scripts/python.sh
service := $(python) scripts/whisper-native.py
venv := .venv/bin
pytest := $(venv)/python -m pytest
engines := .venv-engines/bin/python -m pytest tests/integration/engines/test_engines.py \
           tests/integration/engines/test_spoken_cases.py tests/integration/engines/test_spoken_scripts.py \
           tests/integration/engines/test_odd_recording.py tests/engines
# Four test files at a time, long ones first; a file's tests share its services.
parallel := -n 4 --dist loadfile --no-loadscope-reorder
ARGS ?=
# Or hundreds of processes would compile the same modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help doctor whisper-native whisper-native-status whisper-native-logs whisper-native-stop run dashboard \
        setup engine test test-slow test-clients test-times test-engines test-unit test-integration test-acceptance test-faults \
        reliability soak lint typecheck docs format lock clean

help: ## show this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-24s %s\n", $$1, $$2 }' Makefile

whisper-native: ## set up what is missing, start the service, print how to use it
	@$(service) start $(ARGS)

whisper-native-status: ## whether it runs and is ready
	@$(service) status

whisper-native-logs: ## the end of its log (ARGS=-f follows)
	@$(service) logs $(ARGS)

whisper-native-stop: ## stop it
	@$(service) stop

doctor: ## look at all it needs and say what is missing
	@$(service) doctor

run: ## run it in the foreground
	@$(service) run $(ARGS)

dashboard: ## open the queue dashboard, starting the service if needed
	@$(service) dashboard $(ARGS)

engine: ## add what a GPU needs, or an engine: EXTRA=cuda, mlx, whisper-cpp, openai-whisper, speakers, otel or s3
	@$(python) scripts/setup_environment.py --extra $(EXTRA)

setup: ## set up the environment with what the tests need
	@$(python) scripts/setup_environment.py --dev

test: setup ## all tests but the slow ones, four files at a time (ARGS="-n 0" for one)
	$(pytest) $(parallel) -m "not slow" $(ARGS)

test-slow: setup ## what takes minutes: real leases, ten kills, a thousand submissions, installations, mlx on a CPU
	$(pytest) -m slow $(ARGS)
	@$(python) scripts/setup_environment.py --engines
	OMP_WAIT_POLICY=PASSIVE $(engines) -m slow $(ARGS)

test-clients: setup ## the clients of docs/CLIENTS.md, installed as their users install them (pip, npm)
	$(pytest) tests/acceptance/recipes $(ARGS)

test-times: setup ## as test, and what each folder takes, which goes into CONTRIBUTING.md
	WRITE_TEST_TIMES=1 $(pytest) $(parallel) -m "not slow" $(ARGS)

# Three: a fourth would take as long to collect the tests as it saves.
test-unit: setup ## single modules: no service, no network, no weights
	$(pytest) $(parallel) -n 3 -m "not slow" tests/unit $(ARGS)

test-integration: setup ## real Redis, real weights, real codecs
	$(pytest) $(parallel) -m "not slow" tests/integration $(ARGS)

test-engines: ## all engines but mlx, which is slow, on real weights, in an environment of their own (.venv-engines)
	@$(python) scripts/setup_environment.py --engines
	OMP_WAIT_POLICY=PASSIVE $(engines) -n 2 --dist loadfile -m "not slow" $(ARGS) # the engines leave a core idle

test-acceptance: setup ## the service, started as a user starts it
	$(pytest) $(parallel) -m "not slow" tests/acceptance $(ARGS)

test-faults: setup ## what goes wrong, done on purpose
	$(pytest) $(parallel) -m "not slow" tests/faults $(ARGS)

reliability: setup ## run every test that shows a row of docs/RELIABILITY.md, slow ones too, and write its table
	WRITE_FAULTS_TABLE=1 $(pytest) -m fault $(ARGS)

soak: setup ## ten hours of sound, then 20 minutes of random faults under load (ARGS="--seed 7 --minutes 60")
	FAULTS_HOURS=10 $(pytest) tests/faults/load/test_recordings.py -k hours_of_silence --timeout 3600
	$(venv)/python -m tests.soak $(ARGS)

lint: setup ## style and common mistakes
	$(venv)/ruff check .
	$(venv)/ruff format --check .

typecheck: setup ## mypy, strict
	$(venv)/mypy
	$(venv)/mypy scripts/whisper-native.py

docs: setup ## write into the documents what follows from the code: settings, the API's tables, the picture of rooms
	$(venv)/python -m scripts.write_docs

format: setup ## put the code into shape
	$(venv)/ruff check --fix .
	$(venv)/ruff format .

lock := uv pip compile pyproject.toml --extra server --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet

lock: ## pin the newest versions that pyproject.toml allows (needs uv; ARGS=--upgrade)
	$(lock) $(ARGS) --output-file requirements.txt
	$(lock) $(ARGS) --extra dev --output-file requirements-dev.txt
	$(lock) $(ARGS) --extra dev --extra mlx --extra whisper-cpp --extra openai-whisper \
	        --extra speakers --extra speakers-test --output-file requirements-engines.txt
	$(lock) $(ARGS) --extra mlx --output-file requirements-mlx.txt
	$(lock) $(ARGS) --extra speakers --output-file requirements-speakers.txt
	$(lock) $(ARGS) --extra cuda --output-file requirements-cuda.txt
	$(lock) $(ARGS) --extra s3 --output-file requirements-s3.txt

clean: ## remove the environment and caches; recordings, transcripts and logs stay
	@if [ -x $(venv)/python ]; then $(service) stop; fi
	rm -rf .venv .venv-engines .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
