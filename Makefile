# Everything a checkout needs. The logic of the set-up is in support/setup.py.
SHELL := bash
# A Python that the user names must be taken, the default need not.
export PDN_PYTHON := $(PYTHON)
PYTHON ?= python3
export BAG KITTI

# A DDS domain of this run's own, on this machine only, with room for whole images.
RUN = . ./env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
	ROS_DOMAIN_ID=$$((1 + $$$$ % 100)) \
	FASTRTPS_DEFAULT_PROFILES_FILE="$$PWD/config/fastdds.xml" &&

.PHONY: help setup demo test lint audit site
help:
	@echo "make setup                      .venv with everything pinned, messages built"
	@echo "make demo [BAG=path|KITTI=path] a drive through the running node, with a report"
	@echo "make test [TESTS=path]          pytest"
	@echo "make lint                       ruff, mypy, import-linter, links of the pages"
	@echo "make audit                      SBOM of .venv, known vulnerabilities"
	@echo "make site                       the documentation as a site, in build/site"

setup:
	@$(PYTHON) support/setup.py

demo: setup
	@$(RUN) bash support/demo.sh

test: setup
	@$(RUN) python -m pytest -n 2 --dist loadfile $(TESTS)

lint: setup
	@. ./env.sh && ruff check
	@. ./env.sh && ruff format --check
	@. ./env.sh && mypy
	@. ./env.sh && lint-imports
	@. ./env.sh && python support/pages.py

audit: setup
	@$(PYTHON) support/audit.py

site: setup
	@. ./env.sh && python support/website.py
