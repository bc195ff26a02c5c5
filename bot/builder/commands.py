"""The argument lists: pure functions of recipe, inputs, client and daemon.

Values of users never stand where an option could: they follow an option of ours or come last as
absolute paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.builder.clients import Client, Kind
from bot.builder.daemon import DaemonFacts
from bot.builder.recipe import Build, Recipe
from bot.builder.tree import Inputs


@dataclass(frozen=True, slots=True)
class BuildCall:
    """`metadata`: the file that buildx writes; `pushes`: the build pushes by itself."""

    argv: tuple[str, ...]
    metadata: Path | None
    pushes: bool


def build_call(
    recipe: Recipe, inputs: Inputs, client: Client, daemon: DaemonFacts, cache_from: Sequence[str]
) -> BuildCall:
    match client.kind:
        case Kind.BUILDX:
            return _buildx(recipe, inputs, client, daemon, cache_from)
        case Kind.DOCKER:
            return _docker(recipe, inputs, client, cache_from)


def push_argv(client: Client, reference: str) -> tuple[str, ...]:
    return (client.program, "push", reference)


def unsupported(recipe: Recipe, client: Client, daemon: DaemonFacts) -> tuple[list[str], list[str]]:
    """(mistakes, warnings): what client and daemon can't do of what the recipe asks."""
    build = recipe.build
    mistakes: list[str] = []
    warnings: list[str] = []
    if recipe.cache.to and recipe.push and not writes_registry_cache(client, daemon):
        warnings.append(
            f"`cache: registry` is inline here: {client} with dockerd {daemon.version} can't write "
            "a cache of its own. It takes buildx and dockerd with the containerd image store "
            "(Docker 29 has it unless DOCKER_DRIVER or --storage-driver is set)"
        )
    if client.kind is Kind.BUILDX:
        return mistakes, warnings
    if build.contexts:
        mistakes.append(
            "`needs` as a named context works with buildx only; "
            "with docker 20.10 use `needs: [{image: NAME, arg: ARG}]`"
        )
    if build.provenance or build.sbom:
        mistakes.append("`provenance` and `sbom` work with buildx only")
    if build.annotations:
        mistakes.append("`annotations` work with buildx only; use `labels`")
    if build.memory or build.cpu:
        warnings.append("docker 20.10 does not limit memory and cpu of build steps")
    return mistakes, warnings


def _buildx(
    recipe: Recipe, inputs: Inputs, client: Client, daemon: DaemonFacts, cache_from: Sequence[str]
) -> BuildCall:
    build = recipe.build
    metadata = recipe.workdir / "metadata.json"
    argv = [client.program, "build", "--builder=default", "--progress=rawjson"]
    argv += [f"--metadata-file={metadata}", f"--provenance={build.provenance or 'false'}"]
    argv += [f"--sbom={'true' if build.sbom else 'false'}"]
    argv += _common(build, inputs)
    for name, value in build.contexts.items():
        argv += ["--build-context", f"{name}={value}"]
    for name, value in build.annotations.items():
        argv += ["--annotation", f"{name}={value}"]
    if build.memory:
        argv += ["--resource", f"memory={build.memory}"]
    if build.cpu:
        argv += ["--resource", f"cpu-quota={round(float(build.cpu) * 100_000)}"]
        argv += ["--resource", "cpu-period=100000"]
    for reference in cache_from:
        argv += ["--cache-from", f"type=registry,ref={reference}"]
    argv += _exports(recipe, client, daemon)
    return BuildCall((*argv, str(inputs.context)), metadata, pushes=True)


def writes_registry_cache(client: Client, daemon: DaemonFacts) -> bool:
    """dockerd's old image store can write inline caches only."""
    return client.kind is Kind.BUILDX and daemon.containerd


def _exports(recipe: Recipe, client: Client, daemon: DaemonFacts) -> list[str]:
    cache, push = recipe.cache, recipe.push
    if push is None:
        return ["--output", "type=cacheonly"]
    argv = []
    if cache.mode != "none":
        # In mode registry as well: then each ref's last image gives hits that a cache which other
        # refs have written since does not hold any more.
        argv += ["--cache-to", "type=inline"]
    if cache.to and writes_registry_cache(client, daemon):
        # An OCI image manifest, since ECR and Harbor refuse the older form, an index of layers.
        argv += [
            "--cache-to",
            (
                f"type=registry,ref={cache.to},mode=max,"
                "image-manifest=true,oci-mediatypes=true,ignore-error=true"
            ),
        ]
    if daemon.lazy:
        # unpack and store off: no layer is needed for a push of what the registry has already.
        options = "push=true,unpack=false,store=false,oci-mediatypes=true"
        return [*argv, "--output", f'type=image,"name={push.reference}",{options}']
    return [*argv, "--tag", push.reference, "--push"]


def _docker(recipe: Recipe, inputs: Inputs, client: Client, cache_from: Sequence[str]) -> BuildCall:
    argv = [client.program, "build", "--progress=plain", *_common(recipe.build, inputs)]
    for reference in cache_from:
        argv += ["--cache-from", reference]
    if recipe.push:
        if recipe.cache.mode != "none":
            argv += ["--build-arg", "BUILDKIT_INLINE_CACHE=1"]
        argv += ["--tag", recipe.push.reference]
    return BuildCall((*argv, str(inputs.context)), None, pushes=False)


def _common(build: Build, inputs: Inputs) -> list[str]:
    argv = [f"--file={inputs.dockerfile}", f"--network={build.network}"]
    if build.target is not None:
        argv.append(f"--target={build.target}")
    if build.platform is not None:
        argv.append(f"--platform={build.platform}")
    if build.no_cache:
        # A daemon that has built before would take a base as it found it then.
        argv += ["--no-cache", "--pull"]
    for name, value in build.args.items():
        argv += ["--build-arg", f"{name}={value}"]
    for name, value in build.labels.items():
        argv += ["--label", f"{name}={value}"]
    for secret in build.secrets:
        argv += [
            "--secret",
            f'id={secret.id},"src={str(secret.file).replace(chr(34), chr(34) * 2)}"',
        ]
    return argv
