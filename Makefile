# `make demo` and `make test` need nothing but python3 with its venv module; see `make help`.
.DEFAULT_GOAL := help
.PHONY: help venv runtime demo test test-long test-faults test-jazzy soak fuzz lint api docs foxglove gpu-check clean distclean

# Without PYTHON=... an existing environment keeps the Python it was made with.
PYTHON ?= $(shell .venv/bin/python -c pass 2>/dev/null && echo .venv/bin/python || echo python3)
VENV := .venv/bin/python

# The ROS 2 wheels in .venv and a sourced ROS distribution must not meet in one process.
ifdef AMENT_PREFIX_PATH
$(info [make] leaving the sourced ROS environment aside: .venv brings its own ROS 2)
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH
unexport ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION
endif
# Put into a process by the wheels of one environment, it keeps those of another from their libraries.
ifdef _ROS_WHEELS_BOOTSTRAP_COMPLETE
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH
endif
# The wheels have Fast DDS alone.
unexport RMW_IMPLEMENTATION

help: ## list the targets
	@echo "usage: make TARGET [PYTHON=python3.12]"
	@sed -n 's/^\([a-z-]*\):[^#]*## */  \1\t/p' Makefile | expand -t 13

venv: ## create or update .venv; the other targets do it when they need it
	@$(PYTHON) .ci/make_venv.py

runtime: ## .venv without the tests' tools: no more than `make demo` needs
	@$(PYTHON) .ci/make_venv.py --runtime

demo: runtime ## bag -> node -> recorder over DDS [BAG=folder | DRIVE=KITTI drive] [OUTPUT=folder]
	@$(VENV) -m hma_depth_ros demo \
	  $(if $(BAG),--bag "$(BAG)") $(if $(DRIVE),--drive "$(DRIVE)") $(if $(OUTPUT),--output "$(OUTPUT)")

# Three at a time, on two cores: one test waits for a ROS graph while others compute. The tests of a file
# share what they convert, render and train, so they stay together; the longest files come first.
test: lint ## lint, then all tests [ARGS="-k NAME ..." for pytest]
	@echo "== pytest"
	@$(VENV) -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder $(ARGS)

# One after the other: they load the machine by themselves.
test-faults: venv ## all that goes wrong, in the long form: half an hour [ARGS=...]
	@echo "== pytest, fault campaign"
	@$(VENV) -m pytest -m "faults or not faults" --timeout=3000 test/faults test/test_signals.py \
	  test/node/test_bad_input.py test/node/test_churn.py test/node/test_executable.py test/node/test_lifecycle.py \
	  test/bags/test_recording.py test/test_process_bag.py test/training/test_runs.py $(ARGS)

soak: runtime ## the node for an hour, watched [MINUTES=60] [OUTPUT=folder] [ARGS="--image-size 188x621 ..."]
	@$(VENV) -m hma_depth_ros soak --minutes $(or $(MINUTES),60) --output "$(or $(OUTPUT),soak_output)" $(ARGS)

test-long: venv ## what takes more than half a minute a test; .ci/run has it, too [ARGS=...]
	@echo "== pytest, long"
	@$(VENV) -m pytest --numprocesses=2 --dist=load -m long $(ARGS)

# What depends on ROS, with the oldest one that the package supports.
test-jazzy: venv ## tests of node, bags and demo with ROS 2 Jazzy, in .venv-jazzy [ARGS=...]
	@$(VENV) .ci/make_jazzy_venv.py
	@echo "== pytest, ROS 2 Jazzy"
	@.venv-jazzy/bin/python -m pytest --numprocesses=2 --dist=loadfile test/node \
	  $(wildcard test/test_*bag*.py test/test_demo*.py test/test_replay*.py test/test_ros*.py test/test_examples.py) $(ARGS)

# With coverage, of one target's bytes: atheris has wheels for fewer Pythons, and is no requirement.
fuzz: venv ## longer than in CI [EXAMPLES=300 | TARGET=mcap_file SECONDS=240]
ifdef TARGET
	@$(VENV) test/fuzz/byte_fuzzing.py "$(TARGET)" "fuzz_output/$(TARGET)" \
	  -max_total_time=$(or $(SECONDS),240) -max_len=100000
else
	@HMA_DEPTH_FUZZ_EXAMPLES=$(or $(EXAMPLES),300) $(VENV) -m pytest --numprocesses=2 \
	  --dist=loadfile --timeout 7200 test/fuzz
endif

lint: venv ## ruff check, ruff format, mypy
	@echo "== ruff check"
	@$(VENV) -m ruff check .
	@echo "== ruff format --check"
	@$(VENV) -m ruff format --check .
	@echo "== mypy"
	@$(VENV) -m mypy

api: venv ## write docs/api.md, and the tables of other pages, from the code
	@$(VENV) .ci/make_api.py
	@$(VENV) .ci/make_reference.py

docs: ## the documentation as a site, strictly checked, in site/
	@$(PYTHON) .ci/make_docs.py

foxglove: venv ## install Foxglove's reader and its settings for test/test_foxglove.py: 13 MB by npm, 19 by pip
	@npm install --prefix test/foxglove --ignore-scripts --no-audit --no-fund --no-package-lock
	@$(VENV) -m pip --disable-pip-version-check install --quiet --no-deps foxglove-sdk==0.30.3

# Installs nothing: on a machine with a GPU that has PyTorch and no .venv, PYTHON=python3 is taken.
gpu-check: ## all that wants a GPU, in eight minutes [OUTPUT=folder] [ARGS="--parts card,tests ..."]
	@$(PYTHON) -m hma_depth_ros gpu_check --output "$(or $(OUTPUT),gpu_check_output)" $(ARGS)

clean: ## remove what builds, tests and the demo left; keeps the environments
	rm -rf build install log site demo_output fuzz_output gpu_check_output soak_output *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find hma_depth_ros launch test docs .ci -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## and .venv, .venv-jazzy and .venv-docs too
	rm -rf .venv .venv-jazzy .venv-docs
