PYTHON ?= python3
UV_PIP := .venv/bin/uv pip install --quiet --python .venv
DISTRIBUTIONS := $(shell scripts/distributions.sh ./)

.PHONY: help demo portal-audit portal-pictures sandbox cluster cluster-mnesia fuzz audit chaos soak upgrade test typescript generated-clients wheels test-deploy lint types distributions unit newest broker bench bench-micro bench-profile bench-capacity bench-cluster lock clean
.DEFAULT_GOAL := help

help: ## This list
	@sed -nE 's/^([a-z -]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 40

demo: .venv/run ## Everything in one process, to click around in: make demo [PORT=8080] [PORTAL_PORT=8090] [BUS=amqp://...]
	@exec .venv/bin/python deploy/demo/demo.py $(if $(PORT),--port $(PORT)) $(if $(PORTAL_PORT),--portal-port $(PORTAL_PORT)) $(if $(BUS),--bus $(BUS))

sandbox: .venv/run ## The same, answered from case files: make sandbox [CASES=folder] [PORT=8080] [PORTAL_PORT=8090]
	@exec .venv/bin/python deploy/demo/demo.py --cases $(or $(CASES),deploy/sandbox/cases) $(if $(PORT),--port $(PORT)) $(if $(PORTAL_PORT),--portal-port $(PORTAL_PORT)) $(if $(BUS),--bus $(BUS))

cluster: .venv/dev ## A mesh on three RabbitMQ nodes here, with commands to kill, hang, stop and cut its parts: make cluster [MNESIA=1]
	@scripts/install_services.sh || true
	@exec .venv/bin/python -m tests.cluster $(if $(MNESIA),--mnesia)

test: .venv/dev typescript ## All that CI runs
	@scripts/install_services.sh || true
	@# Compiles tests and libraries once, also where the environment forbids it: tox does not pass that variable on, so
	@# each of the processes that run tests would do so, at the same time.
	@PYTHONDONTWRITEBYTECODE= .venv/bin/pytest -q --collect-only >/dev/null || true
	@newest=$$(.venv/bin/python scripts/newest_python.py); \
	[ -n "$$newest" ] || echo "No newer Python than this one is installed here: the unit tests run on this one alone"; \
	NEWEST_PYTHON=$$newest .venv/bin/tox run-parallel --no-list-dependencies -p 3 -e broker,deploy$${newest:+,newest},lint,types,distributions,unit

test-deploy: .venv/dev ## Images, Kubernetes, compose: everything under deploy/
	@scripts/install_services.sh || true
	@.venv/bin/tox run -q --no-list-dependencies -e deploy

newest: .venv/dev ## The quick unit tests on the newest Python that is installed here
	@NEWEST_PYTHON=$$(.venv/bin/python scripts/newest_python.py) .venv/bin/tox run -q --no-list-dependencies -e newest

unit: typescript
lint types distributions unit broker: .venv/dev ## One part of it
	@.venv/bin/tox run -q --no-list-dependencies -e $@

fuzz: .venv/dev ## Look for calls that break the sandbox or leave its OpenAPI document, and bytes that break a decoder: make fuzz [MINUTES=5]
	@.venv/bin/pytest -q --timeout 0 -n 2 --dist loadfile tests/sandbox/test_fuzz.py tests/proto/test_fuzz.py --fuzz-minutes $(or $(MINUTES),5)

audit: .venv/dev ## Look for known holes in what is locked; asks PyPI
	@for lock in run build dev; do .venv/bin/uv tool run pip-audit --strict --disable-pip --require-hashes -r requirements/$$lock.txt || exit 1; done

chaos: .venv/dev ## A mesh under load while things break: make chaos [MINUTES=2] [SEED=1] [RABBITMQ=4] [CLUSTER=1 [MNESIA=1]] [ONLY=faults] [WITHOUT=faults] [PER_SECOND=300]
	@scripts/install_services.sh || true
	@.venv/bin/python -m tests.chaos chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(RABBITMQ),--rabbitmq $(RABBITMQ)) $(if $(CLUSTER),--cluster) $(if $(MNESIA),--mnesia) $(if $(PER_SECOND),--per-second $(PER_SECOND)) $(if $(ONLY),--only "$(ONLY)") $(if $(WITHOUT),--without "$(WITHOUT)")

soak: .venv/dev ## The same at half its peak, while nothing breaks: does anything grow? make soak [MINUTES=10] [RABBITMQ=4]
	@scripts/install_services.sh || true
	@.venv/bin/python -m tests.chaos soak --minutes $(or $(MINUTES),10) $(if $(RABBITMQ),--rabbitmq $(RABBITMQ))

cluster-mnesia: .venv/dev ## The alert about a divided Mnesia, caused on three RabbitMQ nodes
	@scripts/install_services.sh || true
	@.venv/bin/pytest -q tests/cluster/mnesia.py

upgrade: .venv/dev ## From the former release to this one in either order, and back, and a rolling restart, all under load
	@scripts/install_services.sh || true
	@.venv/bin/pytest -q -s tests/upgrade/every_order.py

bench: .venv/run bench/peers/.venv/ready ## Bouquet and its peers, measured side by side: make bench [QUICK=1] [ANYHOW=1]
	@scripts/install_services.sh
	@.venv/bin/python -m bench $(if $(QUICK),--quick) $(if $(ANYHOW),--anyhow)

bench-micro: .venv/run ## Each part of the hot path, in microseconds: make bench-micro [AGAINST=former.json]
	@scripts/install_services.sh
	@.venv/bin/python -m bench.micro $(if $(AGAINST),--against $(AGAINST))

bench-profile: .venv/dev ## Where a lookup's time goes, by function, in gateway and worker: make bench-profile [LOADED_S=10] [CACHED=1]
	@scripts/install_services.sh
	@.venv/bin/python -m bench.profiling $(if $(LOADED_S),--seconds $(LOADED_S)) $(if $(CACHED),--own-people)

bench-capacity: .venv/run ## What one token, cached answer, journal record … costs: prints it, and writes the table in docs/capacity.md
	@scripts/install_services.sh
	@.venv/bin/python -m bench.capacity

bench-cluster: .venv/run ## Three RabbitMQ nodes over one, 2,000 connections, 100 providers with 500 operations: make bench-cluster [ANYHOW=1]
	@scripts/install_services.sh
	@.venv/bin/python -m bench.cluster $(if $(ANYHOW),--anyhow)

wheels: .venv/dev ## What a provider's team gets, in dist/bouquet: wheels and requirements with hashes: make wheels [FOLDER=folder]
	@PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/build_packages.sh $(or $(FOLDER),dist/bouquet)

lock: .venv/dev ## Write requirements/*.txt anew; UPGRADE=1 takes the newest versions
	@PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## Forget all environments and caches
	rm -rf .venv bench/peers/.venv tests/portal/node_modules tests/portal/lighthouse/node_modules tests/clients/node_modules tests/clients/generators/.venv tests/clients/generators/node_modules .tox .*_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Bouquet needs Python 3.11 or newer: make PYTHON=...")'
	@$(PYTHON) -m venv --clear .venv

.venv/bin/uv: requirements/uv.txt | .venv/bin/python
	@.venv/bin/pip --disable-pip-version-check install -qq --require-hashes -r $<
	@touch $@

.venv/run: requirements/run.txt requirements/build.txt $(DISTRIBUTIONS:%=%/pyproject.toml) | .venv/bin/uv
	@echo "Installing Bouquet into .venv (once)"
	@$(UV_PIP) --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(UV_PIP) --no-deps --no-build-isolation $(DISTRIBUTIONS:%=-e ./%)
	@touch $@

.venv/dev: requirements/dev.txt .venv/run
	@echo "Installing the development tools into .venv (once)"
	@$(UV_PIP) --require-hashes -r requirements/dev.txt
	@touch $@

typescript: ## What checks the OpenAPI document for those who generate TypeScript clients, and pages for accessibility; the tests do without where there is no npm, but for CI
	@command -v npm >/dev/null || echo "No npm here: no TypeScript client is generated" >&2
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory tests/clients/node_modules/ready tests/portal/node_modules/ready || true

generated-clients: .venv/dev tests/clients/generators/node_modules/ready ## Clients by OpenAPI Generator and orval, some of them called: make generated-clients [FOLDER=folder]
	@.venv/bin/python -m tests.clients.generators $(or $(FOLDER),"$$(mktemp -d)")

tests/clients/generators/node_modules/ready: tests/clients/generators/requirements.txt tests/clients/generators/package-lock.json
	@echo "Installing generators of clients, with a Node.js and a Java of their own, into tests/clients/generators (once, 600 MB)"
	@$(PYTHON) -m venv --clear tests/clients/generators/.venv
	@cd tests/clients/generators && .venv/bin/pip --disable-pip-version-check install -qq --require-hashes -r requirements.txt
	@cd tests/clients/generators && PATH="$$PWD/.venv/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# For tests/clients (generators of TypeScript clients), tests/portal (accessibility) and tests/portal/lighthouse.
tests/%/node_modules/ready: tests/%/package-lock.json
	@echo "Installing npm packages into tests/$*/node_modules (once)"
	@npm ci --prefix tests/$* --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

portal-audit: .venv/dev tests/portal/node_modules/ready tests/portal/lighthouse/node_modules/ready ## Every page of the portal by axe, the main ones by Lighthouse, with screenshots: make portal-audit [FOLDER=portal-audit]
	@scripts/install_services.sh || true
	@.venv/bin/python -m tests.portal $(or $(FOLDER),portal-audit)

portal-pictures: .venv/dev ## Take the pictures of the portal in docs/images anew (headings need Debian's fonts-crosextra-caladea)
	@scripts/install_services.sh || true
	@.venv/bin/python -m tests.portal.pictures docs/images

bench/peers/.venv/ready: bench/peers/requirements.txt
	@echo "Installing the peers of the benchmark into bench/peers/.venv (once)"
	@$(PYTHON) -m venv --clear bench/peers/.venv
	@bench/peers/.venv/bin/pip --disable-pip-version-check install -qq --require-hashes -r $<
	@touch $@
