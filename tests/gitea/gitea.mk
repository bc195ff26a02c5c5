# A real Gitea for the tests and the demo. Included by the Makefile; runs from the project's root.
.PHONY: gitea
gitea: ## Gitea 1.26, built once from its Go module into the cache folder (about eight minutes)
	sh tests/gitea/tools/build.sh

# Folders with tests on it; the rest of what is there runs without (`make test`).
GITEA_TESTS := tests/gitea tests/contract tests/scenarios/test_authorisation.py

.PHONY: test-gitea
test-gitea: venv deps tools gitea ## tests on a real Gitea, the bot beside it (root)
	PUSHWRIGHT_GITEA=1 $(PY) -m pytest -q -m gitea --durations=15 $(GITEA_TESTS)
