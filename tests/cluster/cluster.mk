# A real Kubernetes apiserver for the tests. Included by the Makefile; runs from the project's root.
.PHONY: cluster-tools
cluster-tools: ## Kubernetes, helm and kubeconform, built once from Go modules; Debian packages (root)
	sh tests/cluster/tools/deps.sh
	sh tests/cluster/tools/build.sh

.PHONY: test-cluster
test-cluster: venv cluster-tools ## tests against a real apiserver and etcd (root)
	PUSHWRIGHT_CLUSTER=1 $(PY) -m pytest -q --ignore=tests/cluster/e2e tests/cluster

.PHONY: e2e
e2e: cluster-images gitea ## the bot beside a real Gitea, and in pods on a node of this machine (root)
	PUSHWRIGHT_CLUSTER=1 PUSHWRIGHT_GITEA=1 $(PY) -m pytest -q -m "cluster or gitea" --durations=15 tests/cluster $(GITEA_TESTS)

.PHONY: cluster
cluster: venv cluster-tools ## a Kubernetes node and a kubeconfig, until Ctrl-C (root)
	$(PY) -m tests.cluster

.PHONY: cluster-images
cluster-images: venv deps tools cluster-tools ## the images of build pods, made once into the cache folder (root)
	$(PY) -m tests.cluster.images

.PHONY: bench-cluster
bench-cluster: cluster-images ## measurements on a node of this machine, the way of 2019 beside ours (root)
	$(PY) -m tests.bench.cluster
