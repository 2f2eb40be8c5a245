# All commands for working with a checkout. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# In recipes quoted: the path of the checkout may have blanks.
venv := $(CURDIR)/.venv
tree := $(venv)/tree/ansible_collections/eucalyptus/cloud
# Real interpreters only: ansible-test calls pythonX.Y by name and a pyenv shim may have no such version.
export PATH := $(venv)/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PYTHONPATH := $(CURDIR)/lab
# The lab is on loopback, where no proxy reaches it.
export no_proxy := 127.0.0.1,localhost,$(or $(no_proxy),$(NO_PROXY))
eucalab := "$(venv)/bin/python" -m eucalab
lab_home := $${EUCALAB_STATE:-/var/lib/eucalab}/demo
python := $(shell /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# Lanes of about the same length, more than a machine has cores: the stages wait for guests and processes half of their time.
lanes := "build unit" "lab" "integration" "lint sanity hook nodes"
# Two at a time (the lab's three: it is the longest stage), each file in one piece: the tests wait for guests and processes more
# than they compute.
pytest := pytest -q -n 2 --dist loadfile
# Long tests with software from other projects.
strangers := tests/build/test_fai.py tests/build/test_debian_installer.py tests/build/test_cloud_init.py
stranger_clients := tests/lab/test_clients_amazon_aws.py
# A process each for tests/build and tests/lab, because their labs are in different directories.
long := pytest -q -n 2 --dist worksteal -m long
# Where imports of ansible_collections.eucalyptus.cloud find the checkout.
in_collection := cd playbooks/collections/ansible_collections/eucalyptus/cloud && PYTHONPATH="$(CURDIR)/playbooks/collections"

.PHONY: help setup demo lab-up lab-down test unit sanity hook lab nodes integration build lint test-matrix coverage bench fuzz builds believe races clean ready tree

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18

setup: ## install what is missing (needs root), and list it
	@tools/setup

demo: setup lab-up ## build the lab's Debian inside the lab, with its installer (WAY=disk: without the hook; WAY=self: an instance installs itself)
	@ansible-playbook playbooks/lab_build.yml
	@printf '\nThe lab is still running. For the same environment in your shell:  source "%s/bin/activate"\n' "$(venv)"
	@printf 'Build again (nothing to do):  ansible-playbook playbooks/lab_build.yml\nRemove the lab:               make lab-down\n'

lab-up: setup ## start the lab, deploy the hook on its nodes, publish its installer (WAY=disk: only start it; WAY=self: only with the hook)
	@$(eucalab) up
	@ansible-playbook -i "$(lab_home)/inventory.ini" -e "lab_home='$(lab_home)' lab_way=$(or $(WAY),hook)" playbooks/lab.yml

lab-down: ## stop the lab and remove everything it made
	@$(eucalab) down

test: ## everything, as CI does it
	@tools/setup tests
	@tools/stages $(lanes)

# One suite, or the part of it that ONLY names: paths of tests; for `integration`, names of targets.
unit: ready stage-unit ## unit tests; no root, no network (ONLY=tests/unit/...)

sanity: ready stage-sanity ## ansible-test sanity (ONLY=paths)

hook: ready stage-hook ## tests of the hook under four shells (ONLY=tests/hook/...)

lab: ready stage-lab ## tests of the lab (ONLY=tests/lab/...)

nodes: ready stage-nodes ## deployments on twenty nodes over ssh (ONLY=tests/nodes/...)

integration: ready stage-integration ## integration targets, most of them on 4.4 with the newest ansible-core (ONLY=names of targets, PLAY=version)

build: ready stage-build ## complete builds in virtual machines (ONLY=tests/build/...)

lint: ready stage-lint ## style, format, types, shell, YAML, licences, changelog, documentation, ansible-lint

coverage: ready ## branch coverage of plugins/ by the unit tests
	@rm -f .coverage
	@PYTEST_ADDOPTS='--cov=plugins --cov-branch --cov-append --cov-report=term' $(MAKE) stage-unit

ready:
	@[ -e "$(venv)/tests.sha256" ] || { echo 'The Python environment is missing; make it with:  sudo tools/setup tests' >&2; exit 1; }

# ansible-test requires the path ansible_collections/eucalyptus/cloud and a git repository, so it gets a copy of git's files.
tree:
	@rm -rf "$(tree)"; mkdir -p "$(tree)"
	@git ls-files -z -co --exclude-standard -- . ':!playbooks/collections' | \
	  while IFS= read -r -d '' f; do [ ! -e "$$f" ] || printf '%s\0' "$$f"; done | xargs -0 cp -P --parents -t "$(tree)"
	@git -C "$(tree)" init -q

stage-lint:
	@ruff check .
	@ruff format --check -q .
	@mypy
	@git ls-files -- ':!playbooks/collections' | xargs awk 'FNR == 1 && /^#!\/bin\/(ba)?sh/ { print FILENAME } { nextfile }' | xargs shellcheck -x -a
	@yamllint --strict .
	@reuse --no-multiprocessing lint -l
	@antsibull-changelog lint
	@ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/playbooks/collections" antsibull-docs lint-collection-docs --plugin-docs \
	  --validate-collection-refs all --disallow-unknown-collection-refs --check-extra-docs-refs .
	@ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/playbooks/collections" ansible-lint -q --offline

# Only the files of the collection; ruff and shellcheck check the others.
stage-sanity: tree
	@tools/get-pip-stubs
	@cd "$(tree)" && ansible-test sanity --python $(python) --color no $(or $(ONLY),plugins/ roles/ playbooks/ meta/ tests/unit/ tests/integration/)

# Apart as in `ansible-test units`: a process that has imported Ansible's controller shows warnings instead of returning them.
# ansible-test has a process for each test, which takes three times as long, so `make test-matrix` runs that.
stage-unit:
	@$(in_collection) $(pytest) $(or $(ONLY),tests/unit/plugins/module_utils tests/unit/plugins/modules)
	@[ -n "$(ONLY)" ] || { $(in_collection) $(pytest) tests/unit --ignore-glob='*/module_utils' --ignore-glob='*/modules'; }

stage-hook:
	@$(pytest) $(or $(ONLY),tests/hook)

stage-lab:
	@$(pytest) -n 3 -m 'not long' $(or $(ONLY),tests/lab)

stage-nodes:
	@$(pytest) $(or $(ONLY),tests/nodes)

stage-integration:
	@tools/matrix $(if $(ONLY)$(PLAY),$(if $(ONLY),--targets "$(ONLY)") $(or $(PLAY),4.4)/newest,--jobs 2 --slice)

stage-build:
	@pytest -q -n 2 --dist worksteal -m 'not long' $(or $(ONLY),tests/build)

bench fuzz: export PYTHONPATH := $(CURDIR):$(CURDIR)/lab:$(CURDIR)/playbooks/collections

bench: ## print the figures that the project watches
	@tools/setup tests
	@for bench in hook.bench bundle.bench bundle.boot_disk nodes.bench lab.bench modules.bench; do python -m tests.$$bench; done

test-matrix: ready tree ## every played version with every ansible-core and Python (ONLY="3.1 4.4/2.16")
	@[ -n "$(ONLY)" ] || { cd "$(tree)" && ansible-test units --python $(python) --color no; }
	@tools/matrix --jobs 2 $(ONLY)

fuzz: ## hostile user data against the hook, 100,000 cases
	@tools/setup tests
	@python -m tests.hook.fuzz --cases 100000

builds: ready ## the tests in virtual machines that are too long for make test; allow an hour (ONLY=tests/build/...)
	@$(long) $(addprefix --ignore=,$(strangers)) $(or $(ONLY),tests/build)
	@[ -n "$(ONLY)" ] || $(long) $(addprefix --ignore=,$(stranger_clients)) tests/lab

believe: ## software from other projects (FAI, debian-installer, cloud-init, amazon.aws); allow 15 minutes (WAY=disk: FAI on a boot disk)
	@tools/setup believe
	@$(long) $(strangers)
	@$(long) $(stranger_clients)

races: ## two machines build the same image at once, 20 times; takes an hour
	@tools/setup tests
	@RACES=20 pytest -q tests/build/test_two_machines.py tests/lab/test_build_claims.py

clean: ## remove what this Makefile made in the checkout
	@rm -rf "$$(readlink -f .venv)" .venv .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage tests/output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
