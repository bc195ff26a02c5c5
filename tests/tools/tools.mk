# Programs that the docker tests use beside Python. Included by the Makefile; runs from the project's root.
.PHONY: deps tools
deps: ## Debian packages for the docker tests and the demo (root): docker.io, docker-registry, postgresql, …
	sh tests/tools/deps.sh
tools: ## dockerd 29 and buildx, built once from Go modules into the cache folder (about four minutes)
	sh tests/tools/build.sh
