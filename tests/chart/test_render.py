"""What the chart renders: golden files, and what must hold of them whatever the values are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.clock import SystemClock
from bot.configfile import credential_files, webhook_files
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.executors.kubernetes.permissions import PERMISSIONS
from bot.settings import SETTINGS
from bot.store import migrate, open_store
from bot.web import pages
from bot.web.app import create_app
from tests.chart import helm, reference

EVERY = pytest.mark.parametrize("values", helm.NAMES)
CONFIG = "/etc/pushwright/pushwright.yaml"
CONFIG_TEXT = yaml.safe_dump(
    yaml.safe_load((helm.VALUES / "postgresql.yaml").read_text())["config"]
)


@EVERY
def test_lint(values: str) -> None:
    done = helm.helm(
        "lint", str(helm.CHART), "--strict", "--quiet", f"--kube-version={helm.VERSION}",
        f"--values={helm.VALUES / values}.yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@EVERY
def test_golden(values: str) -> None:
    golden = (reference.GOLDEN / f"{values}.yaml").read_text()
    assert helm.text(values) == golden, "run `python -m tests.chart.reference`"


@pytest.mark.parametrize(
    ("path", "text"), [pytest.param(*one, id=one[0].name) for one in reference.documents()]
)
def test_pages_are_current(path: Path, text: str) -> None:
    assert path.read_text() == text, "run `python -m tests.chart.reference`"


def test_every_value_has_a_default_and_every_default_a_form() -> None:
    defaults = yaml.safe_load((helm.CHART / "values.yaml").read_text())
    schema = yaml.safe_load((helm.CHART / "values.schema.json").read_text())

    def compare(form: helm.Json, default: Any, path: str) -> None:
        if "properties" in form and isinstance(default, dict):
            assert set(form["properties"]) - {"config", "global"} == set(default), path
            for key, value in default.items():
                compare(form["properties"][key], value, f"{path}.{key}")

    compare(schema, defaults, "values")


@EVERY
def test_the_config_arrives_as_it_was_written(values: str) -> None:
    given = yaml.safe_load((helm.VALUES / f"{values}.yaml").read_text())["config"]
    documents = helm.render(values)
    given.setdefault("executor", "kubernetes")
    pods = given.setdefault("kubernetes", {})
    pods.setdefault("namespace", "pushwright-builds")
    pods.setdefault("builder-image", _container(documents, "worker")[1]["image"])
    config = rendered_config(documents)
    again = parse_central(yaml.safe_dump(given).encode(), CONFIG)
    assert isinstance(again, CentralConfig), again
    assert replace(config, warnings=()) == replace(again, warnings=())  # they have places


def rendered_config(documents: list[helm.Json]) -> CentralConfig:
    text = helm.only(documents, "ConfigMap")["data"]["pushwright.yaml"]
    config = parse_central(text.encode(), CONFIG)
    assert isinstance(config, CentralConfig), config
    return config


@EVERY
def test_each_container_sees_the_files_that_it_reads_and_no_other(values: str) -> None:
    documents = helm.render(values)
    config = rendered_config(documents)
    read = {"web": webhook_files(config), "worker": credential_files(config)}
    for who, files in read.items():
        wanted = {path for path, _ in files if path.startswith("/etc/pushwright/")}
        pod, container = _container(documents, who)
        assert _files(pod, container) == wanted | {CONFIG}, who


def _container(documents: list[helm.Json], name: str) -> tuple[helm.Json, helm.Json]:
    found = [
        (pod, one)
        for pod in helm.pods(documents).values()
        for one in pod["containers"]
        if one["name"] == name
    ]
    assert len(found) == 1
    return found[0]


def _files(pod: helm.Json, container: helm.Json) -> set[str]:
    """Below /etc/pushwright, as the kubelet would lay them out."""
    (volume,) = (
        m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/etc/pushwright"
    )
    sources = next(one for one in pod["volumes"] if one["name"] == volume)["projected"]["sources"]
    found = set()
    for source in sources:
        ((_, what),) = source.items()
        items = what.get("items", [{"path": "pushwright.yaml"}])
        found |= {f"/etc/pushwright/{item['path']}" for item in items}
    return found


@EVERY
def test_only_the_worker_holds_a_token_of_the_cluster_that_builds(values: str) -> None:
    documents = helm.render(values)
    here = [one for one in documents if one["kind"] == "Role"]
    for account in (one for one in documents if one["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for name, pod in helm.pods(documents).items():
        assert pod["automountServiceAccountToken"] is False, name
        tokens = {
            volume["name"]
            for volume in pod["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
            if "serviceAccountToken" in source
        }
        for container in helm.containers(pod):
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            may = container["name"] == "worker" and bool(here)
            assert bool(mounted & tokens) is may, container["name"]


@EVERY
def test_every_container_of_the_bot_is_confined(values: str) -> None:
    for name, pod in helm.pods(helm.render(values)).items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == context["fsGroup"] == 65532
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        for container in helm.containers(pod):
            if container.get("command") != ["pushwright"]:  # an administrator's own
                continue
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


@EVERY
def test_the_role_is_what_the_executor_uses(values: str) -> None:
    documents = helm.render(values)
    kubernetes = rendered_config(documents).kubernetes
    assert kubernetes is not None
    untrusted = kubernetes.pods.untrusted
    namespaces = {kubernetes.pods.namespace, untrusted.namespace if untrusted else None}
    if kubernetes.kubeconfig is not None:
        namespaces = set()
    roles = {one["metadata"]["namespace"]: one for one in documents if one["kind"] == "Role"}
    bindings = {
        one["metadata"]["namespace"]: one for one in documents if one["kind"] == "RoleBinding"
    }
    assert set(roles) == set(bindings) == namespaces - {None}
    for namespace, role in roles.items():
        rules = {
            (resource, verb)
            for rule in role["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        assert rules == {(one.resource, verb) for one in PERMISSIONS for verb in one.verbs}
        assert all(rule["apiGroups"] == [""] for rule in role["rules"])
        binding = bindings[namespace]
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "pushwright-worker", "namespace": "pushwright"}
        ]
    assert not [one for one in documents if one["kind"].startswith("ClusterRole")]


@EVERY
def test_environment_names_are_settings_of_the_bot(values: str) -> None:
    known = {setting.name for setting in SETTINGS}
    for pod in helm.pods(helm.render(values)).values():
        for container in helm.containers(pod):
            ours = {v["name"] for v in container.get("env", []) if "PUSHWRIGHT" in v["name"]}
            assert ours <= known


@EVERY
def test_services_and_budgets_select_pods_that_exist(values: str) -> None:
    documents = helm.render(values)
    templates = [
        one["spec"]["template"]
        for one in documents
        if one["kind"] in ("Deployment", "StatefulSet", "Job")
    ]

    def selected(labels: helm.Json) -> list[helm.Json]:
        return [one for one in templates if labels.items() <= one["metadata"]["labels"].items()]

    (web,) = selected(helm.only(documents, "Service")["spec"]["selector"])
    assert "http" in [
        port["name"] for one in web["spec"]["containers"] for port in one.get("ports", [])
    ]
    for budget in (one for one in documents if one["kind"] == "PodDisruptionBudget"):
        assert len(selected(budget["spec"]["selector"]["matchLabels"])) == 1
        # Pods that are down with their database must not hold up every drain.
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    for made in (one for one in documents if one["kind"] in ("Deployment", "StatefulSet")):
        assert len(selected(made["spec"]["selector"]["matchLabels"])) == 1


def test_sqlite_is_one_pod_that_takes_webhooks_whatever_its_worker_does() -> None:
    documents = helm.render("sqlite")
    only = helm.only(documents, "StatefulSet")["spec"]
    assert only["replicas"] == 1
    assert [one["name"] for one in only["template"]["spec"]["containers"]] == ["web", "worker"]
    assert only["volumeClaimTemplates"][0]["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert helm.only(documents, "Service")["spec"]["publishNotReadyAddresses"] is True
    assert not [one for one in documents if one["kind"] in ("Deployment", "Job")]


def test_postgresql_is_migrated_before_the_new_version_starts() -> None:
    documents = helm.render("postgresql")
    job = helm.only(documents, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    # Hooks run before the chart's own objects are there: the Job may need none of them.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert "config" not in str(job["spec"]["template"]["spec"]["volumes"]).replace("configMap", "")
    for name in ("pushwright-web", "pushwright-worker"):
        rolling = helm.only(documents, "Deployment", name)["spec"]["strategy"]["rollingUpdate"]
        assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_pods_go_where_web_and_worker_say() -> None:
    """The migration too: it waits for a node as the pods do that need it."""
    taint = {"key": "role", "operator": "Exists"}
    says = {
        "web.nodeSelector": {"role": "bot"},
        "web.tolerations": [taint],
        "worker.nodeSelector": {"arch": "amd64"},
        "worker.affinity": {"nodeAffinity": {}},
    }
    pods = helm.pods(helm.render("postgresql", says))
    assert {name: pod.get("nodeSelector") for name, pod in pods.items()} == {
        "Job/pushwright-migrate": {"role": "bot"},
        "Deployment/pushwright-web": {"role": "bot"},
        "Deployment/pushwright-worker": {"arch": "amd64"},
    }
    assert pods["Job/pushwright-migrate"]["tolerations"] == [taint]
    (both,) = helm.pods(helm.render("sqlite", says)).values()
    assert both["nodeSelector"] == {"role": "bot", "arch": "amd64"}
    assert both["tolerations"] == [taint]
    assert both["affinity"] == {"nodeAffinity": {}}


@pytest.mark.parametrize("release", ["team.bot", "7days", "a." * 26 + "b", "x" * 53])
def test_the_name_of_any_release_makes_names_that_services_may_have(release: str) -> None:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#rfc-1035-label-names"""
    for one in helm.render("postgresql", release=release):
        name = one["metadata"]["name"]
        assert re.fullmatch("[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", name), name


@pytest.mark.parametrize("values", ["sqlite", "postgresql"])
def test_a_changed_config_restarts_nothing(values: str) -> None:
    changed = helm.template(
        f"--values={helm.VALUES / values}.yaml", "--set=config.limits.builds=9"
    ).stdout
    documents = [one for one in yaml.safe_load_all(changed) if one]
    assert "builds: 9" in helm.only(documents, "ConfigMap")["data"]["pushwright.yaml"]
    assert helm.pods(documents) == helm.pods(helm.render(values))


def test_one_more_secret_restarts_who_reads_it_alone() -> None:
    change = {"config.registries": {"ghcr.io": {"bot-auth-file": "secrets/ghcr/new"}}}
    changed = helm.template(
        f"--values={helm.VALUES / 'postgresql'}.yaml", *helm.settings(change)
    ).stdout
    before, after = (
        helm.pods(helm.render("postgresql")),
        helm.pods(list(yaml.safe_load_all(changed))),
    )
    assert {name for name in before if before[name] != after[name]} == {
        "Deployment/pushwright-worker"
    }


def test_the_ingress_leads_to_what_people_and_hosts_need_and_not_to_metrics(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    migrate(url)
    store = open_store(url)
    config = parse_central(CONFIG_TEXT.encode(), CONFIG)
    assert isinstance(config, CentralConfig)
    clock = SystemClock()
    app = create_app({}, store, clock, [pages.blueprint(store, clock, lambda: config)])
    routes = {re.sub("<[^>]+>", "x", rule.rule) for rule in app.url_map.iter_rules()}
    store.close()
    rule = helm.only(helm.render("postgresql"), "Ingress")["spec"]["rules"][0]
    paths = {one["path"]: one["pathType"] for one in rule["http"]["paths"]}

    def led(route: str) -> bool:
        """https://kubernetes.io/docs/concepts/services-networking/ingress/#examples"""
        return any(
            route == path or (kind == "Prefix" and route.startswith(path + "/"))
            for path, kind in paths.items()
        )

    assert rule["host"] == "builds.example.com"
    assert {route for route in routes if not led(route)} == {"/metrics", "/readyz"}


def test_the_chart_is_packed_whole(tmp_path: Path) -> None:
    done = helm.helm("package", str(helm.copy_of_chart(tmp_path)), "-d", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pushwright-0.1.0.tgz").exists()
