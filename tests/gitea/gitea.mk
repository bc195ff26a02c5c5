# A real Gitea for the tests and the demo. Included by the Makefile; runs from the project's root.
.PHONY: gitea
gitea: ## Gitea 1.26, built once from its Go module into the cache folder (about eight minutes)
	sh tests/gitea/tools/build.sh

.PHONY: test-gitea
test-gitea: venv gitea ## tests against a real Gitea
	PUSHWRIGHT_GITEA=1 $(PY) -m pytest -q -k gitea tests/gitea tests/contract
