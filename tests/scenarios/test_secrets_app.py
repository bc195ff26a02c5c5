"""The other secrets of the bot are written nowhere either: a GitHub App's private key and the
tokens that it mints, GitLab's signing keys, the registry's credentials of bot and builders."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

from bot.core.ids import Digest, HostKind
from bot.registry.client import RegistryClient
from bot.registry.configured import ConfiguredRegistries
from bot.registry.credentials import Credential
from tests.fakes.githost.github_apps import key_pair
from tests.fakes.githost.happenings import signing_secret
from tests.fakes.registry_process import GET, PROGRAM, RegistryProcess
from tests.needs import need
from tests.registry.images import make_image, push
from tests.scenarios.apps import use_app
from tests.scenarios.talk import Talk
from tests.scenarios.test_secrets import busy, written
from tests.scenarios.world import SECRET, SOURCE, World, opened

BOT, POD = Credential("bot", "canary-bot-2d07"), Credential("pod", "canary-pod-4be1")
WRONG = Credential("bot", "canary-wrong-11c9")
HTPASSWD = """\
bot:$2y$05$8i6yZolEiAvp9FUEsfJ8cO0Cnthm8LZaSMpW0F./GtAEdmVaPGF.O
pod:$2y$05$nPScNfD6.DxK1KqgcY4j7ugCsoqdCSW02D6UIeDlMlmC1d6amP23O
"""
KEY = b"the signing key is 32 bytes long"


def assert_nowhere(world: World, log: str, canaries: Iterable[bytes]) -> set[str]:
    """The places that were looked at."""
    wanted = list(canaries)
    places = set()
    for place, text in [*written(world), ("log", log.encode())]:
        places.add(place)
        held = [canary for canary in wanted if canary in text]
        assert not held, f"{place} holds {held[0]!r}"
    return places


def forms(secret: Credential) -> tuple[bytes, bytes]:
    """The password as it is, and as requests and Docker's files carry it."""
    return (secret.password.encode(), secret.basic.encode())


class Locked:
    """A registry with a password, the bot's credential for it and the builders'."""

    def __init__(self, world: World, process: RegistryProcess) -> None:
        self.world, self.process = world, process
        self.configured = ConfiguredRegistries(lambda: world.central, world.clock)
        self.client = RegistryClient(self.configured.endpoint, world.clock, sleep=lambda _: None)
        self.give(BOT, "bot.json")
        self.give(POD, "pod.json")
        files = {f"{who}-auth-file": str(world.folder / f"{who}.json") for who in ("bot", "pod")}
        world.configure(
            registries={process.host: {"insecure": True, **files}},
            defaults={"registry": process.host},
            repositories=[{"match": "acme/*"}],
        )
        world.registry = self.client
        world.executor.push = self.build
        world.restart()

    def give(self, credential: Credential, file: str) -> None:
        document = {"auths": {self.process.host: {"auth": credential.basic}}}
        (self.world.folder / file).write_text(json.dumps(document))

    def build(self, name: str, tag: str, text: str) -> Digest:
        """As a builder does, with what the executor gives it."""
        auths = self.configured.plain_auths([self.process.host])["auths"]
        assert isinstance(auths, dict)
        user, _, password = base64.b64decode(auths[self.process.host]["auth"]).partition(b":")
        who = (user.decode(), password.decode())
        return push(self.process.url, name.partition("/")[2], make_image(text), tag, who)


def test_the_secrets_of_an_app_and_of_a_registry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    need(PROGRAM, GET)
    keys = key_pair()
    users = tmp_path / "htpasswd"
    users.write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "test", "path": str(users)}}
    with (
        RegistryProcess(tmp_path / "registry", auth=auth) as process,
        opened(HostKind.GITHUB, tmp_path) as world,
        caplog.at_level(logging.DEBUG),
    ):
        use_app(world, keys)
        locked = Locked(world, process)
        talk = Talk(world)
        talk.people()
        busy(talk, world)
        assert "prod" in pushed(locked)
        locked.give(WRONG, "bot.json")
        world.clock.turn(3600)
        world.push("services/api/late.py")
        world.run(600)
        tokens = [value for value in world.host.world.tokens if value.startswith("ghs_")]
        lines = [line for line in keys[0].splitlines() if "-----" not in line]
        credentials = [form for one in (BOT, POD, WRONG) for form in forms(one)]
        canaries = [*map(str.encode, [*tokens, *lines, SECRET]), *credentials]
        places = assert_nowhere(world, caplog.text, canaries)
        assert any("/check-runs" in place for place in places)
        assert world.repository.checks
        assert len(tokens) > 1, "more than one was minted"
        held = [record for record in world.host.records if tokens[0] in str(record.headers)]
        assert held, "the canary is the credential in use"
        assert process.traffic().count(status=401) > 0
        locked.client.close()


def pushed(locked: Locked) -> set[str]:
    name = f"{locked.process.host}/acme/shop/api"
    return {tag for tag in ("main", "prod") if locked.client.digest(name, tag)}


def test_the_signing_key_of_gitlab(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "signing-key"
    file.write_text(signing_secret(KEY))
    with opened(HostKind.GITLAB, tmp_path) as world, caplog.at_level(logging.DEBUG):
        source = dict(world.config["sources"][SOURCE])
        del source["webhook-secret-files"]
        world.configure(sources={SOURCE: source | {"signing-key-files": [str(file)]}})
        for hook in world.repository.hooks:
            hook.secret, hook.signing_key = "", KEY
        world.restart()
        world.run(120)
        talk = Talk(world)
        talk.people()
        busy(talk, world)
        encoded = base64.b64encode(KEY)
        places = assert_nowhere(world, caplog.text, [KEY, encoded, KEY.hex().encode()])
        assert {"log", "bot.db", "journal"} <= places
        assert talk.replies(), "what was signed with it was taken"
