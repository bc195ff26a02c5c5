"""The run: fetch, wait for dockerd, preflight, build and push, verify. One `Result` at its end."""

from __future__ import annotations

import errno
import json
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.builder import preflight
from bot.builder.aside import Aside
from bot.builder.budget import Budget
from bot.builder.building import Builder, Built, Site
from bot.builder.classes import BuildClass
from bot.builder.clients import Client, Kind, choose, client_environment
from bot.builder.commands import unsupported
from bot.builder.daemon import Daemon
from bot.builder.frontends import check_frontends
from bot.builder.manifests import Registry, RegistryError
from bot.builder.outcome import BuildFailed, Result
from bot.builder.recipe import Push, Recipe
from bot.builder.records import Records
from bot.builder.redaction import Redactor
from bot.builder.references import parse_reference
from bot.builder.source import Checkout, Fetcher
from bot.builder.tree import locate


class Run:
    """Holds what the phases share; `go` never raises."""

    def __init__(
        self, recipe: Recipe, budget: Budget, records: Records, redactor: Redactor
    ) -> None:
        self._recipe = recipe
        self._budget = budget
        self._records = records
        self._redactor = redactor
        self.result = Result()
        self._daemon = Daemon(recipe.docker.host)
        self._auths = _auths(recipe.docker.config_dir)

    def go(self) -> Result:
        """Every end is a class; what has no name is `internal`, its traceback in the log."""
        result = self.result
        try:
            self._phases()
        except BuildFailed as failure:
            result.fail(failure)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            kind = BuildClass.OUT_OF_DISK if full else BuildClass.INTERNAL
            result.fail(BuildFailed(kind, f"in the builder: {error}"))
        except Exception as error:  # noqa: BLE001 (a result is owed, whatever happens)
            self._records.note(traceback.format_exc())
            result.fail(
                BuildFailed(BuildClass.INTERNAL, f"in the builder: {type(error).__name__}: {error}")
            )
        result.message = self._redactor.text(result.message)
        result.warnings = [self._redactor.text(text) for text in result.warnings]
        return result

    def _phases(self) -> None:
        recipe, result = self._recipe, self.result
        env = client_environment(recipe, self._auths)
        with Aside(lambda: self._look(env)) as aside:
            with self._phase("fetch"):
                folder = self._fetched()
                inputs = locate(folder, recipe.build.context, recipe.build.dockerfile)
                check_frontends(recipe, inputs)
                _check_secrets(recipe)
            with self._phase("preflight"):  # what is left of it after the fetch
                client, cache_from = self._looked(aside.result(self._budget))
        with self._phase("wait"):
            daemon = self._daemon.wait(recipe.limits.dockerd, self._budget)
            result.daemon = daemon.version
        mistakes, warnings = unsupported(recipe, client, daemon)
        self._warn(warnings)
        if mistakes:
            raise BuildFailed(BuildClass.CONFIG, "; ".join(mistakes))
        self._build(Site(inputs, client, daemon, env), cache_from)
        result.kind = BuildClass.SUCCEEDED
        result.message = "built and pushed" if recipe.push else "built, not pushed"

    def _look(self, env: Mapping[str, str]) -> dict[str, Any]:
        """The client, and the caches that answer: beside the fetch, in a child of this process."""
        recipe = self._recipe
        client = choose(recipe.docker.client, env, recipe.workdir, self._budget)
        found = preflight.look(self._registry(), recipe.cache.sources)
        return {
            "client": [client.kind.value, client.program, client.version],
            "found": list(found.references),
            "notes": list(found.notes),
        }

    def _looked(self, answer: Mapping[str, Any]) -> tuple[Client, list[str]]:
        kind, program, version = answer["client"]
        client = Client(Kind(kind), program, version)
        self.result.client = str(client)
        for note in answer["notes"]:
            self._records.note(note)
        return client, list(answer["found"])

    def _build(self, site: Site, cache_from: Sequence[str]) -> None:
        """Build, push and verify; the result's cache summary whatever comes of it."""
        builder = Builder(self._recipe, site, self._budget, (self._records, self._redactor))
        with self._phase("build"):
            try:
                built = builder.build(cache_from)
            except BuildFailed as failure:
                raise self._told_by_daemon(failure) from failure
            finally:
                self.result.cache = builder.summary(len(cache_from))
            self._warn(builder.warnings())
        with self._phase("verify"):
            self._verify(built)
            if cache_from and self.result.cache.hits == 0:
                blank = preflight.blank(self._registry(), cache_from)
                self.result.cache = builder.summary(len(cache_from), blank=blank)

    def _fetched(self) -> Path:
        """The folder of the commit's files."""
        recipe = self._recipe
        fetcher = Fetcher(recipe.source, recipe.workdir, self._budget, self._records)
        checkout = fetcher.checkout(recipe.limits)
        self._take(checkout)
        return checkout.folder

    def _take(self, checkout: Checkout) -> None:
        self.result.tree = checkout.tree
        self._warn(checkout.warnings)

    def _warn(self, warnings: Sequence[str]) -> None:
        """In the result, for the page, and in the log."""
        self.result.warnings += warnings
        for warning in warnings:
            self._records.note(warning)

    def _registry(self, **settings: float) -> Registry:
        recipe = self._recipe
        insecure = set(recipe.cache.insecure_hosts)
        if recipe.push and recipe.push.insecure:
            insecure.add(parse_reference(recipe.push.reference).host)
        return Registry(self._auths, insecure, **settings)

    def _told_by_daemon(self, failure: BuildFailed) -> BuildFailed:
        """A daemon that is gone explains every failure that isn't a step's own."""
        ended = (BuildClass.CANCELLED, BuildClass.TIMEOUT, BuildClass.STEP)
        if failure.kind in ended or self._daemon.answers():
            return failure
        return BuildFailed(
            BuildClass.DOCKERD_DOWN, f"dockerd died during the build ({failure.message[:300]})"
        )

    def _verify(self, built: Built) -> None:
        push = self._recipe.push
        if push is None:
            return
        for pause in (0.2, *self._recipe.limits.registry_waits, None):
            try:
                self._compare(push, built)
            except RegistryError as error:
                if pause is None:
                    raise BuildFailed(
                        BuildClass.REGISTRY_UNAVAILABLE,
                        f"pushed, but the registry does not confirm it: {error}",
                    ) from error
                self._budget.sleep(pause)
            else:
                return

    def _compare(self, push: Push, built: Built) -> None:
        image = self._registry(timeout=10.0).image(parse_reference(push.reference))
        if image is None:
            raise RegistryError(f"{push.reference} is not there", 404)
        if image.digest != built.digest:
            shown = f"{push.reference} is {image.digest} in the registry"
            raise BuildFailed(BuildClass.INTERNAL, f"{shown}, but {built.digest} was pushed")
        self.result.digest = image.digest
        self.result.size_bytes = image.size

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._records.phase(name, "start")
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            self.result.phases[name] = seconds
            self._records.phase(name, "end", seconds)


def _auths(folder: Path | None) -> dict[str, Any]:
    """The plain `auths` of config.json; none where there is no such file."""
    if folder is None:
        return {}
    try:
        document: Any = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BuildFailed(BuildClass.CONFIG, f"docker config.json: {error}") from error
    auths = document.get("auths") if isinstance(document, dict) else None
    return auths if isinstance(auths, dict) else {}


def _check_secrets(recipe: Recipe) -> None:
    missing = [secret.id for secret in recipe.build.secrets if not secret.file.is_file()]
    if missing:
        raise BuildFailed(
            BuildClass.CONFIG,
            f"build secret {', '.join(missing)}: its file is not there (central config, `secrets`)",
        )


def secret_values(files: Sequence[Path]) -> list[bytes]:
    """What to hide; a file that can't be read holds nothing that could leak from here."""
    values = []
    for path in files:
        try:
            values.append(path.read_bytes())
        except OSError:
            continue
    return values
