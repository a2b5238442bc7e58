# `make help` lists the targets.
# Everything runs in .venv. The first target that needs it makes it.
PYTHON ?= python3
BIN    := .venv/bin
EXPERIMENT ?= nbs/experiments/neumf.yaml
WORKERS ?= 2
export MLFLOW_DISABLE_TELEMETRY := true
# OpenMP's threads spin while they wait, which slows a busy machine tenfold: let them spin less.
export GOMP_SPINCOUNT ?= 1000

.DEFAULT_GOAL := help
.PHONY: help setup run test leaderboard insights benchmark export readme clean-notebooks browser serve lab mlflow mlflow-gc clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "recsys needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=python3.11, say."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: .venv/.installed ## make .venv and install the tested versions

run: setup ## data, training, evaluation, recommendations, report (EXPERIMENT=file.yaml)
	$(BIN)/recsys run $(EXPERIMENT)

serve: setup ## the page and the API on a finished run (RUN=neumf)
	$(BIN)/recsys serve $(or $(RUN),neumf)

leaderboard: setup ## every model on every board with its setting; finished runs are kept (hours on two cores)
	$(BIN)/recsys leaderboard --workers $(WORKERS)

insights: setup ## six questions that newcomers ask, answered with figures and intervals
	$(BIN)/recsys report nbs/experiments/insights.yaml

# The libraries that `make benchmark` measures beside recsys. Each group has an environment of its own,
# since their requirements contradict each other and ours.
PEERS := .peers/.installed .peers-old/.installed
LISTED = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$(@D:.%=%)"], sep="\n")
$(PEERS): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(@D)
	@{ grep ^torch== constraints.txt; $(PYTHON) -c '$(LISTED)'; } > $(@D)/requirements.txt
	$(@D)/bin/python -m pip install --quiet --requirement $(@D)/requirements.txt
	@touch $@

benchmark: setup $(PEERS) ## speed and memory beside other libraries, which are installed into .peers and .peers-old
	$(BIN)/recsys report nbs/experiments/benchmark.yaml

browser: ## Chromium, in which the tests open the page (Debian's, where apt can install it; or set CHROMIUM)
	@[ -n "$$CHROMIUM" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } \
	|| { echo "The tests of the page need Chromium: install it (apt-get install chromium, brew install chromium), or set CHROMIUM to its path."; exit 1; }

test: setup browser ## all checks: notebooks, package and README in step; every notebook runs
	@$(BIN)/python .ci/check.py --workers $(WORKERS)

export: setup ## notebooks -> recsys/
	$(BIN)/nbdev_export

readme: setup ## nbs/index.ipynb -> README.md
	$(BIN)/python .ci/check.py --write-readme

clean-notebooks: setup ## strip what does not belong into a committed notebook
	$(BIN)/nbdev_clean

lab: setup ## JupyterLab on nbs/
	$(BIN)/jupyter lab --notebook-dir=nbs $(if $(filter 0,$(shell id -u)),--allow-root)

STORE := sqlite:///$(CURDIR)/data/mlflow/mlflow.db
RUNS := import sys; from recsys.tracking import runs_page; print("The runs, once the server is up:", runs_page(sys.argv[1]), flush=True)
mlflow: setup ## MLflow's page on data/mlflow; the link that opens on the runs comes first (PORT=5000)
	@mkdir -p data/mlflow
	@RECSYS_OUT= $(BIN)/python -c '$(RUNS)' $${PORT:-5000}
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --workers 1 --backend-store-uri $${MLFLOW_TRACKING_URI:-$(STORE)} --artifacts-destination data/mlflow/artifacts --host 127.0.0.1 --port $${PORT:-5000}

mlflow-gc: setup ## remove deleted MLflow runs for good
	@MLFLOW_TRACKING_URI=$${MLFLOW_TRACKING_URI:-$(STORE)} $(BIN)/mlflow gc --backend-store-uri $${MLFLOW_TRACKING_URI:-$(STORE)}

clean: ## remove what can be made again: caches and .venv, but no run, report, record or raw data
	rm -rf .venv .peers .peers-old build dist *.egg-info data/processed
	find . -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
