"""The keys of one image in `.pushwright.yaml`, with the mappings inside of them."""

from __future__ import annotations

from typing import Literal

from bot.core import fieldtext
from bot.core.entrylines import Lines
from bot.core.fieldtext import Problem
from bot.core.forms import (
    ANY_SCALAR,
    NUMBERS,
    ByShape,
    Choice,
    Fields,
    Flag,
    Form,
    Key,
    Listing,
    Named,
    Record,
    Text,
    Turned,
)
from bot.core.mistakes import Mark, Notes
from bot.core.repoconfig import CacheMode, PushOn, SecretUse, TagEntry
from bot.core.templatetext import Templated
from bot.core.triggerkeys import ON_FORM

PATH = Text("path", fieldtext.repository_path)
VALUE = Text("text", fieldtext.value, ANY_SCALAR)
FILLED = Templated()

PUSH_ON: Choice[PushOn] = Choice(
    ("push", "tag", "pull_request"), renamed={"merge_request": "pull_request"}
)
EVENTS: Listing[PushOn] = Listing(PUSH_ON, alone=True)


def _push_flag(flag: bool, _mark: Mark, _notes: Notes) -> tuple[PushOn, ...]:
    return PUSH_ON.values if flag else ()


PUSH_FORM: Form[tuple[PushOn, ...]] = ByShape(
    "true, false or a list of `push`, `tag`, `pull_request`",
    scalar=Turned(Flag("true, false or a list of `push`, `tag`, `pull_request`"), _push_flag),
    sequence=EVENTS,
)

SECRET_ID = Key(
    "id",
    Text("name", fieldtext.secret_id),
    "The id in `RUN --mount=type=secret,id=…`.",
    required=True,
)
SECRET_FROM = Key(
    "from",
    Text("name", fieldtext.secret_id),
    "The secret's name in the central config.",
    required=True,
)
SECRET_EVENTS = Key(
    "events",
    EVENTS,
    "Events whose builds get it; the central config may allow fewer.",
    "`[push, tag]`",
)
SECRET = Record(
    "secrets", (SECRET_ID, SECRET_FROM, SECRET_EVENTS), later=frozenset({"env", "file"})
)


def _secret(fields: Fields, _mark: Mark, _notes: Notes) -> SecretUse | None:
    name, source = fields.get(SECRET_ID), fields.get(SECRET_FROM)
    if name is None or source is None:
        return None
    return SecretUse(name, source, fields.get(SECRET_EVENTS) or ("push", "tag"))


NEED_IMAGE = Key(
    "image", Text("image key", fieldtext.image_key), "The image that is built first.", required=True
)
NEED_ARG = Key(
    "arg",
    Text("argument name", fieldtext.argument_name),
    "The build argument that gets its digest.",
    "a named context",
)
NEED = Record("needs", (NEED_IMAGE, NEED_ARG))


def _need_name(name: str, mark: Mark, _notes: Notes) -> Fields:
    return Fields({"image": name}, {"image": mark}, mark)


NEED_FORM: Form[Fields] = ByShape(
    "image key or mapping",
    scalar=Turned(NEED_IMAGE.form, _need_name),
    mapping=NEED,
)

CACHE_MODE: Choice[CacheMode] = Choice(("inline", "registry", "none"))
MODE: Key[CacheMode] = Key("mode", CACHE_MODE, "Where the cache is kept.", "`inline`")
CACHE = Record("cache", (MODE,), later=frozenset({"ref", "scope", "max"}))


def _cache(fields: Fields, _mark: Mark, _notes: Notes) -> CacheMode:
    return fields.get(MODE) or "inline"


CACHE_FORM: Form[CacheMode] = ByShape(
    "`inline`, `registry`, `none` or a mapping",
    scalar=CACHE_MODE,
    mapping=Turned(CACHE, _cache),
)

LATEST: Choice[str] = Choice(("auto", "true", "false"))
FLAVOR_LATEST = Key(
    "latest",
    Text(
        "`auto`, `true` or `false`",
        lambda text: text if text in LATEST.values else Problem("expected auto, true or false"),
        ANY_SCALAR,
    ),
    "Whether the tag `latest` is set.",
    "`auto`",
)
FLAVOR_PREFIX = Key("prefix", VALUE, "In front of every tag.", "none")
FLAVOR_SUFFIX = Key("suffix", VALUE, "After every tag.", "none")
FLAVOR = Record("flavor", (FLAVOR_LATEST, FLAVOR_PREFIX, FLAVOR_SUFFIX))


def _flavor(fields: Fields, mark: Mark, _notes: Notes) -> tuple[TagEntry, ...]:
    keys = (FLAVOR_LATEST, FLAVOR_PREFIX, FLAVOR_SUFFIX)
    return tuple(
        TagEntry(f"{key.name}={fields.get(key)}", fields.place(key).line, fields.place(key).column)
        for key in keys
        if fields.get(key) is not None
    ) or (TagEntry("latest=auto", mark.line, mark.column),)


FLAVOR_FORM: Form[tuple[TagEntry, ...]] = ByShape(
    "lines, or a mapping",
    scalar=Lines(),
    sequence=Lines(),
    mapping=Turned(FLAVOR, _flavor),
)

CPU = Key(
    "cpu",
    Text("processors (`2`, `500m`)", fieldtext.cpu, NUMBERS),
    "Processors of the build.",
    "the central config's",
)
MEMORY = Key(
    "memory", Text("size (`4Gi`)", fieldtext.memory), "Memory of the build.", "the central config's"
)
RESOURCES = Record("resources", (CPU, MEMORY), later=frozenset({"ephemeral-storage"}))

# -- an image ----------------------------------------------------------------------------------
NAMES = Key(
    "image",
    Lines(),
    "Image names, each `name=…,enable=…` or bare; the first is pushed to, the others get copies.",
    "`<registry>/<owner>/<repo>`, with several images `/<key>` behind",
)
CONTEXT = Key("context", PATH, "The folder that is sent to the builder.", "`.`")
DOCKERFILE = Key("dockerfile", PATH, "The Dockerfile, relative to the context.", "`Dockerfile`")
TARGET = Key(
    "target", Text("stage", fieldtext.stage, NUMBERS), "The stage to build.", "the last one"
)
ARGS = Key(
    "args",
    Named(
        Text("argument name", fieldtext.argument_name),
        Templated(convert=fieldtext.argument_value),
    ),
    "Build arguments. Values may hold `{{tag}}`, `{{branch}}`, `{{sha}}`. They can be read in the "
    "image's history: never put a secret here.",
    "none",
)
LABELS = Key(
    "labels",
    Named(Text("label name", fieldtext.label_name), FILLED),
    "Labels of the image.",
    "those of `oci-labels`",
)
ANNOTATIONS = Key(
    "annotations",
    Named(Text("annotation name", fieldtext.annotation_name), FILLED),
    "Annotations of the manifest.",
    "none",
)
CONTEXTS = Key(
    "contexts",
    Named(
        Text("context name", fieldtext.context_name),
        Text("folder or `docker-image://…`", fieldtext.context_value),
    ),
    "Named contexts (buildx): a folder of the repository or `docker-image://<image>`.",
    "none",
)
SECRETS = Key(
    "secrets",
    Listing(Turned(SECRET, _secret)),
    "Build secrets that the administrator offers.",
    "none",
)
PLATFORMS = Key(
    "platforms",
    Listing(Text("platform", fieldtext.platform), alone=True),
    "The platform, one for now: builds are native.",
    "the builder's own",
)
NEEDS = Key(
    "needs", Listing(NEED_FORM, alone=True), "Images of this file that are built first.", "none"
)
ON = Key("on", ON_FORM, "What is built.", "the default branch, `v*` tags, pull requests")
TAGS = Key(
    "tags",
    Lines(),
    "Tags, in the lines of docker/metadata-action, see [tags](tags.md).",
    "branch, pr, semver `{{version}}`, sha",
)
FLAVOR_KEY = Key(
    "flavor",
    FLAVOR_FORM,
    "What holds for all tags, in the lines of docker/metadata-action.",
    "`latest=auto`",
)
_LATEST_ORDER: Choice[Literal["owned", "pushed"]] = Choice(("owned", "pushed"))
LATEST_ORDER: Key[Literal["owned", "pushed"]] = Key(
    "latest-order",
    _LATEST_ORDER,
    "`owned`: `latest` belongs to the highest version. "
    "`pushed`: to what was pushed last, as metadata-action has it.",
    "`owned`",
)
PUSH = Key(
    "push", PUSH_FORM, "Which events push; what is not pushed is built as a check only.", "`true`"
)
OCI_LABEL_MODE: Choice[Literal["stable", "full"]] = Choice(("stable", "full"))
OCI_LABELS: Key[Literal["stable", "full"]] = Key(
    "oci-labels",
    OCI_LABEL_MODE,
    "`stable`: only labels that are equal for every "
    "commit. `full` adds revision, version and created, and gives up reuse.",
    "`stable`",
)
CACHE_KEY = Key("cache", CACHE_FORM, "The build cache.", "`inline`")
CACHE_FROM = Key(
    "cache-from",
    Listing(Text("image reference", fieldtext.cache_reference), alone=True),
    "Caches that are read besides those that are found by themselves.",
    "none",
)
NO_CACHE = Key("no-cache", Flag(), "Build every step anew, on bases asked for anew.", "`false`")
_PROVENANCE_MODES = {
    "true": "mode=min",
    "false": "",
    "mode=min": "mode=min",
    "mode=max": "mode=max",
}


def _provenance(text: str) -> str | Problem:
    mode = _PROVENANCE_MODES.get(text)
    return Problem("expected true, false, mode=min or mode=max") if mode is None else mode


PROVENANCE = Key(
    "provenance",
    Text("true, false, `mode=min` or `mode=max`", _provenance, frozenset({"text", "bool"})),
    "Provenance attestation (buildx). It changes the digest of an unchanged image.",
    "`false`",
)
SBOM = Key("sbom", Flag(), "SBOM attestation (buildx).", "`false`")
RESOURCES_KEY = Key("resources", RESOURCES, "What one build gets.", "the central config's")
TIMEOUT = Key(
    "timeout",
    Text("duration (`30m`)", fieldtext.whole_seconds),
    "When a build is ended; the central config may allow less.",
    "the central config's",
)
REQUIRED = Key(
    "required", Flag(), "The image's own status always reports, affected or not.", "`false`"
)

IMAGE = Record(
    "image",
    (
        NAMES,
        CONTEXT,
        DOCKERFILE,
        TARGET,
        ARGS,
        LABELS,
        ANNOTATIONS,
        CONTEXTS,
        SECRETS,
        PLATFORMS,
        NEEDS,
        ON,
        TAGS,
        FLAVOR_KEY,
        LATEST_ORDER,
        PUSH,
        OCI_LABELS,
        CACHE_KEY,
        CACHE_FROM,
        NO_CACHE,
        PROVENANCE,
        SBOM,
        RESOURCES_KEY,
        TIMEOUT,
        REQUIRED,
    ),
    later=frozenset(
        {
            "ssh",
            "add-hosts",
            "extra-hosts",
            "network",
            "shm-size",
            "ulimits",
            "ulimit",
            "pull",
            "no-cache-filter",
            "no-cache-filters",
            "cache-to",
            "load",
            "sign",
            "scan",
            "check",
            "matrix",
            "node-selector",
            "tolerations",
            "retries",
            "skipped-status",
            "latest",
        }
    ),
    renamed={
        "file": "here it is dockerfile, relative to the context",
        "build-args": "here it is args",
        "build_args": "here it is args",
        "build-contexts": "here it is contexts",
        "images": "here it is image",
        "repo": "here it is image",
        "repository": "here it is image",
        "name": "here it is image",
        "platform": "here it is platforms",
        "depends_on": "here it is needs",
    },
)
