# `make repro` runs everything. Targets for whoever changes the code are in development.mk.
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1

# What may be set, as in make publish MODEL=smollm2_135m_10. Commands have it from the environment, as "$$MODEL": neither a
# shell nor make reads a command in it. Lists ($$MODELS, $$REVISIONS, $$STAGES, $$ARGUMENTS) are split, and no more.
PYTHON ?= python3
CHAT ?=
MODEL ?= smollm2_135m
MODELS ?=
REVISIONS ?=
STAGES ?=
REPOSITORY ?= you/needs-context
PUSH ?=
URL ?=
ENDPOINT ?=
BENCH ?= engines
ARGUMENTS ?=
SETTINGS := PYTHON CHAT MODEL MODELS REVISIONS STAGES REPOSITORY PUSH URL ENDPOINT BENCH ARGUMENTS
$(foreach name,$(SETTINGS),$(eval override $(name) := $$(value $(name))))
export $(SETTINGS)

.DEFAULT_GOAL := help
.PHONY: help setup repro own next paper report figures verify serve publish remote test

help:  ## list these targets; `make help-development` lists those for developers
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	"$$PYTHON" -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

setup: $(READY)  ## create the environment .venv with the tested versions

repro: $(READY)  ## run the whole pipeline: chat, labels, models, tables
	dvc repro
	@cat metrics/tables.md

own: $(READY)  ## replace the sample by your own chat: make own CHAT=data/room.jsonl
	$(if $(CHAT),,$(error say which: make own CHAT=data/room.jsonl))
	@python -m stages.tools.own -- "$$CHAT"

next: $(READY)  ## say how far the labels are and what 50 more would bring, with a page, next.html
	@python -m stages.reporting.next_page next.html

paper: $(READY)  ## run the paper's settings as an experiment, on its models or on MODELS=qwen1_5_0_5b,qwen1_5_1_8b; ARGUMENTS="-S lr=1e-4"
	@set -f; python -m stages.tools.preflight recipes/paper.yaml $$(echo "$$MODELS" | tr , ' ') $$ARGUMENTS
	@set -f; set -- $$ARGUMENTS; if [ -n "$$MODELS" ]; then set -- -S "ladder=[$$MODELS]" -S "finetune=[$$MODELS]" "$$@"; fi; \
		python -m stages.tools.experiment recipes/paper.yaml paper "$$@"

report: $(READY)  ## write the run on one page, report.html; REVISIONS="main slow" draws figures over revisions and experiments
	@set -f; for revision in $$REVISIONS; do set -- "$$@" --revision "$$revision"; done; \
		python -m stages.reporting.page report.html "$$@"

figures: $(READY)  ## update the figures in data/README.md, README.md and docs/ from metrics/
	python -m stages.reporting.data_card metrics/details data/annotations dvc.lock data/card.md data/README.md
	python -m stages.reporting.doc_figures README.md docs/*.md

verify: $(READY)  ## run the committed pipeline in a fresh clone and compare the results; STAGES=concat runs a part
	set -f; python -m stages.tools.verify $$STAGES

serve: $(READY)  ## answer the question over HTTP: make serve MODEL=smollm2_135m
	@python -m stages.tools.serve -- "data/adapters/$$MODEL"

publish: $(READY)  ## list the files that go to a model hub: MODEL as REPOSITORY; PUSH=--push sends them
	@set -f; python -m stages.tools.publish "$$MODEL" "$$REPOSITORY" $$PUSH

remote: $(READY)  ## set the DVC remote: URL=s3://bucket/path [ENDPOINT=https://...] or URL=/a/folder
	$(if $(URL),,$(error say where: make remote URL=s3://bucket/path, or a folder))
	dvc remote add --force --default storage "$$URL"
	$(if $(ENDPOINT),dvc remote modify storage endpointurl "$$ENDPOINT")

test: $(READY)  ## fast tests (about 8 minutes)
	python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow and not model and not dvc and not external and not gpu"

include development.mk
