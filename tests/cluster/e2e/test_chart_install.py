"""The bot itself on the node, installed by the chart: builds, an upgrade in the middle of one, and
what it asked of the apiserver."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bot.core.ids import HostKind
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.api import ApiError, Json
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.installation import Installation
from tests.cluster.e2e.installed import (
    Served,
    check_pods_were_made_once,
    check_way_to_api_server,
    serve,
    until,
)
from tests.cluster.e2e.sightings import Sightings, watch
from tests.cluster.images import BOT
from tests.cluster.node import HOST
from tests.fakes.githost.host import FakeHost
from tests.fakes.postgres_process import PostgresProcess

pytestmark = pytest.mark.timeout(600)
NEXT = "next"
"""The tag of the version after this one: the same image, which is a version to Kubernetes."""
OLDER = "older"
"""The same, of one that does not know the database's schema."""


@pytest.fixture
def githost(tmp_path: Path, ground: Ground) -> Iterator[FakeHost]:
    with FakeHost(HostKind.GITHUB, tmp_path, address=HOST) as host:
        yield host


@pytest.fixture
def sqlite(ground: Ground, githost: FakeHost) -> Installation:
    number = ground.number()
    return Installation(ground, githost, f"bot-{number}", f"bot-builds-{number}")


@pytest.fixture
def postgresql(ground: Ground, githost: FakeHost) -> Iterator[Installation]:
    """With a server outside of the cluster that pods reach by its address and a password."""
    number = ground.number()
    folder = Path(tempfile.mkdtemp(prefix="pw-pg-", dir="/tmp"))
    folder.chmod(0o755)
    with PostgresProcess(folder, HOST) as server:
        url = server.create_database().replace("127.0.0.1", HOST)
        yield Installation(ground, githost, f"bot-{number}", f"bot-builds-{number}", url)
    shutil.rmtree(folder)


# -- one pod, SQLite -------------------------------------------------------------------------------


def test_installed_used_and_upgraded(sqlite: Installation) -> None:
    said = sqlite.install(sqlite.githost.create_token("pushwright"))
    assert "http://builds.test/webhooks/forge" in said
    shop = serve(sqlite, "acme/shop")
    with urllib.request.urlopen(f"{sqlite.url}/readyz", timeout=10) as ready:
        assert ready.status == 200
    first = shop.push("echo one, and no more > /one; cat /one")
    shop.green(first)
    assert shop.has_tag("main")
    check_way_to_api_server(sqlite)
    _a_changed_config_restarts_nothing(sqlite)
    _an_upgrade_in_the_middle_of_a_build(sqlite, shop)
    _a_rollback_keeps_what_was_built(sqlite, shop.build(first))
    assert sqlite.restarts() == 0, sqlite.told()
    check_pods_were_made_once(sqlite, 2)
    _asked_for_what_it_may(sqlite)
    # Last: doctor asks the cluster for more than a worker that builds.
    _the_documented_commands_answer(sqlite, shop.build(first))
    _a_larger_volume_restarts_nothing(sqlite)
    _uninstalled_it_leaves_what_is_yours(sqlite)


def _the_documented_commands_answer(installation: Installation, build: str) -> None:
    """In the worker, as docs/install.md and docs/operate.md say. The Secret that the config names
    is not there at first."""
    logs = installation.inside("pushwright", "logs", build)
    assert (logs.returncode, "one, and no more" in logs.stdout) == (0, True), logs
    code, found = _doctor(installation)
    failing = {(one["subject"], one["check"]) for one in found if one["result"] == "fail"}
    assert (code, failing) == (1, {("cluster", "Secret npm")}), found
    good = {one["subject"] for one in found if one["result"] == "ok"}
    assert good >= {"machine", "database", "forge", "cluster"}, found

    body = {"metadata": {"name": "npm"}, "stringData": {"token": "a token"}}
    installation.ground.api.create(f"/api/v1/namespaces/{installation.builds}/secrets", body)
    code, found = _doctor(installation)
    assert code == 0, found


def _doctor(installation: Installation) -> tuple[int, list[dict[str, str]]]:
    """The exit code and the findings."""
    done = installation.inside("pushwright", "doctor", "--json")
    return done.returncode, json.loads(done.stdout)["findings"]


def _a_changed_config_restarts_nothing(installation: Installation) -> None:
    (before,) = installation.workers
    installation.upgrade({"config.limits": {"builds": 3}})
    (after,) = installation.workers
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    path = f"/api/v1/namespaces/{installation.namespace}/configmaps/pushwright"
    assert "limits" in installation.ground.api.get(path)["data"]["pushwright.yaml"]


def _an_upgrade_in_the_middle_of_a_build(installation: Installation, shop: Served) -> None:
    (before,) = installation.workers
    gate = installation.ground.gate()
    sha = shop.push(f"{gate.step} && echo two > /two")
    gate.reached()
    installation.upgrade({"web.threads": 8})
    (after,) = installation.workers
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    gate.open()
    shop.green(sha)


def _a_rollback_keeps_what_was_built(installation: Installation, build: str) -> None:
    """From a version that can't start: nobody has to remove its pod by hand."""
    installation.failed_upgrade({"image.tag": "nowhere"}, seconds=10)
    (before,) = installation.workers
    assert _web(before)["image"].endswith(":nowhere")
    installation.rollback()
    (after,) = installation.workers
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert {"name": "PUSHWRIGHT_WEB_THREADS", "value": "8"} in _web(after)["env"]
    with urllib.request.urlopen(f"{installation.url}/builds/{build}.json", timeout=10) as answer:
        assert json.load(answer)["state"] == "succeeded"


def _web(pod: Json) -> Json:
    """Its container."""
    (found,) = (one for one in pod["spec"]["containers"] if one["name"] == "web")
    return dict(found)


def _a_larger_volume_restarts_nothing(installation: Installation) -> None:
    """As docs/operate.md says; no driver is here that could enlarge one."""
    (before,) = installation.workers
    sets = f"/apis/apps/v1/namespaces/{installation.namespace}/statefulsets/pushwright"
    installation.ground.api.delete(sets, {"propagationPolicy": "Orphan"})
    until(lambda: not _is_there(installation, sets), installation)
    installation.upgrade({"sqlite.size": "2Gi", "web.threads": 8})
    (after,) = installation.workers
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def _is_there(installation: Installation, path: str) -> bool:
    try:
        installation.ground.api.get(path)
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True


def _uninstalled_it_leaves_what_is_yours(installation: Installation) -> None:
    """As docs/install.md says."""
    installation.uninstall()
    api, here = installation.ground.api, f"/api/v1/namespaces/{installation.namespace}"
    assert api.get(f"{here}/persistentvolumeclaims/state-pushwright-0")
    assert api.get(f"{here}/secrets/forge")
    assert api.get(f"/api/v1/namespaces/{installation.builds}/secrets/npm")


def _asked_for_what_it_may(installation: Installation) -> None:
    """By the chart's own Role; that each verb of it is used is told by test_verbs_used.py."""
    granted = {(one.resource, verb) for one in PERMISSIONS for verb in one.verbs}
    for event in installation.requests():
        assert event.get("annotations", {}).get("authorization.k8s.io/decision") == "allow", event
        about = event["objectRef"]
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        assert about["namespace"] == installation.builds, event
        assert (resource, event["verb"]) in granted, event


# -- two of each, PostgreSQL -----------------------------------------------------------------------


def test_two_versions_side_by_side_on_postgresql(postgresql: Installation) -> None:
    postgresql.ground.cluster.tag(BOT, f"{BOT.rpartition(':')[0]}:{NEXT}")
    postgresql.install(postgresql.githost.create_token("pushwright"))
    assert (len(postgresql.pods("web")), len(postgresql.workers)) == (2, 2)
    shop, tools = serve(postgresql, "acme/shop"), serve(postgresql, "acme/tools")
    shop.green(shop.push("echo one > /one"))
    assert shop.has_tag("main")
    check_way_to_api_server(postgresql)
    _a_migration_that_fails_leaves_the_old_version_running(postgresql)

    gate = postgresql.ground.gate()
    before = shop.push(f"{gate.step} && echo two > /two")
    gate.reached()
    with ThreadPoolExecutor(1) as pool:
        upgrade = pool.submit(postgresql.upgrade, {"image.tag": NEXT})
        seen = Sightings(postgresql)
        watch(upgrade, seen)
        meanwhile = tools.push("echo three > /three")
        watch(upgrade, seen, to_its_end=True)
    gate.open()
    shop.green(before)
    tools.green(meanwhile)
    assert tools.has_tag("main")
    assert seen.order.index(("migrate", NEXT)) < seen.order.index(("web", NEXT))
    assert seen.order.index(("migrate", NEXT)) < seen.order.index(("worker", NEXT))
    assert seen.together == {"web", "worker"}
    check_pods_were_made_once(postgresql, 3)
    assert all(one.answers == [202] for one in postgresql.githost.hooks.deliveries)
    assert postgresql.restarts() == 0, postgresql.told()
    _asked_for_what_it_may(postgresql)
    _a_worker_that_does_not_start_leaves_the_old_ones_running(postgresql)
    postgresql.uninstall()


def _a_migration_that_fails_leaves_the_old_version_running(installation: Installation) -> None:
    """Here of a database that a newer release had. Its Job stays, and its log says what to do."""
    ground, before = installation.ground, _uids(installation)
    ground.cluster.tag(BOT, f"{BOT.rpartition(':')[0]}:{OLDER}")
    with _schema_of_a_newer_release(installation):
        said = installation.failed_upgrade({"image.tag": OLDER}, seconds=15)
        assert "pre-upgrade hooks failed" in said
        what = "run the release that migrated it, or a newer one"
        until(lambda: what in installation.told(), installation)
    assert _uids(installation) == before
    with urllib.request.urlopen(f"{installation.url}/readyz", timeout=10) as ready:
        assert ready.status == 200


def _a_worker_that_does_not_start_leaves_the_old_ones_running(installation: Installation) -> None:
    before = {pod["metadata"]["uid"] for pod in installation.workers}
    wrong = [{"name": "PUSHWRIGHT_CONFIG", "value": "/nowhere"}]
    installation.begin_upgrade({"image.tag": NEXT, "worker.env": wrong})
    until(lambda: any(map(_began_again, installation.workers)), installation)
    assert "/nowhere" in installation.told()
    assert before <= {pod["metadata"]["uid"] for pod in installation.workers}


def _began_again(pod: Json) -> bool:
    return any(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))


@contextmanager
def _schema_of_a_newer_release(installation: Installation) -> Iterator[None]:
    url = installation.database.replace(HOST, "127.0.0.1")
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert known is not None
        change = "UPDATE alembic_version SET version_num = %s"
        connection.execute(change, ["9999"])
        try:
            yield
        finally:
            connection.execute(change, known)


def _uids(installation: Installation) -> set[str]:
    """Of the pods of the bot."""
    pods = [*installation.pods("web"), *installation.workers]
    return {pod["metadata"]["uid"] for pod in pods}
