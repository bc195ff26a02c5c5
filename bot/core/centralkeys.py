"""The keys of the central config, version 1."""

from __future__ import annotations

from typing import Literal

from bot.core import centraltext, fieldtext
from bot.core.commandkeys import BARE, COMMANDS, COMMANDS_KEY, RULE_ROLES
from bot.core.forms import (
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
    Whole,
)
from bot.core.ids import HostKind
from bot.core.imagekeys import EVENTS
from bot.core.kuberneteskeys import KUBERNETES, KUBERNETES_RECORDS
from bot.core.kubernetestext import object_name, secret_key
from bot.core.mistakes import Mark, Notes
from bot.core.repoconfig import COMMENT_MODES, CommentMode
from bot.core.triggerkeys import nothing_written

FILE = Text("file path", centraltext.file_path, told=False)
FILES = Listing(FILE, alone=True, most=10)
ADDRESS = Text("address (`https://git.example.com`)", centraltext.address, told=False)
DURATION = Text("duration (`30m`)", fieldtext.whole_seconds)
REPOSITORIES = Listing(Text("pattern of repositories", centraltext.repository_pattern), alone=True)
IMAGES = Listing(Text("pattern of image names", centraltext.image_pattern), alone=True)
DAYS = Whole(1, 3650)

INLINE = "secrets are read from files"
_SECRETS_INLINE = {
    "token": f"{INLINE}: token-file",
    "password": f"{INLINE}: token-file",
    "webhook-secret": f"{INLINE}: webhook-secret-files",
    "webhook-secrets": f"{INLINE}: webhook-secret-files",
    "secret": f"{INLINE}: webhook-secret-files",
    "private-key": f"{INLINE}: private-key-file",
    "webhook-secret-file": "it is a list, for rotation: webhook-secret-files",
    "signing-key-file": "it is a list, for rotation: signing-key-files",
}

# -- sources -----------------------------------------------------------------------------------
APP_ID = Key(
    "id",
    Text("app id or client id", centraltext.app_id, frozenset({"text", "int"})),
    "The App's id or client id.",
    required=True,
)
APP_KEY = Key("private-key-file", FILE, "Its private key (PEM).", required=True)
APP = Record("app", (APP_ID, APP_KEY), renamed=_SECRETS_INLINE)

KIND: Key[str] = Key(
    "kind",
    Choice(tuple(map(str, HostKind)), ("bitbucket",), {"forgejo": "gitea"}),
    "What the host is; Forgejo is `gitea`.",
    required=True,
)
URL = Key(
    "url",
    ADDRESS,
    "The host's web address; a `gitea` source needs it.",
    "`https://github.com`, `https://gitlab.com`",
)
API_URL = Key("api-url", ADDRESS, "The REST API's address.", "by the kind's rule from `url`")
APP_KEY_RECORD = Key("app", APP, "A GitHub App.", "none")
TOKEN_FILE = Key("token-file", FILE, "An access token, instead of an App.", "none")
WEBHOOK_SECRETS = Key(
    "webhook-secret-files",
    FILES,
    "Webhook secrets; any of them is good, so that they can be rotated.",
    "none",
)
SIGNING_KEYS = Key(
    "signing-key-files",
    FILES,
    "GitLab's signing keys, instead of secrets; then unsigned requests are refused.",
    "none",
)
_REPORTS: Choice[Literal["statuses", "checks"]] = Choice(("statuses", "checks"))
REPORTS: Key[Literal["statuses", "checks"]] = Key(
    "reports", _REPORTS, "Commit statuses, or check runs (GitHub Apps).", "`statuses`"
)
BOT_LOGIN = Key(
    "bot-login",
    Text("login", centraltext.login),
    "A login whose comments are the bot's own, besides the credential's user, and that `@login "
    "COMMAND` may name. Of an App: `<slug>[bot]`.",
    "none",
)
CA_FILE = Key("ca-file", FILE, "Certificates (PEM) that are trusted besides the system's.", "none")
PROXY = Key("proxy", ADDRESS, "An HTTP proxy for this host.", "none")
SOURCE = Record(
    "source",
    (
        KIND,
        URL,
        API_URL,
        APP_KEY_RECORD,
        TOKEN_FILE,
        WEBHOOK_SECRETS,
        SIGNING_KEYS,
        REPORTS,
        BOT_LOGIN,
        BARE,
        CA_FILE,
        PROXY,
    ),
    renamed=_SECRETS_INLINE,
)

# -- repositories ------------------------------------------------------------------------------
MATCH = Key(
    "match",
    Text("pattern of repositories", centraltext.repository_pattern),
    "`source:path` or `path`; `*` stops at `/`, `**` does not.",
    required=True,
)
MAY_WRITE = Key(
    "images",
    IMAGES,
    "Image names that the repositories may write.",
    "`<registry>/<owner>/<repo>` and below",
)
_MODE: Choice[Literal["observe", "build"]] = Choice(("observe", "build"))
MODE: Key[Literal["observe", "build"]] = Key(
    "mode", _MODE, "`observe` plans and reports, starts nothing and writes no tag.", "`build`"
)
ZERO_CONFIG = Key(
    "zero-config", Flag(), "Build the root Dockerfile where there is no file.", "`true`"
)
_COMMENT: Choice[CommentMode] = Choice(COMMENT_MODES)
COMMENT_LEAST: Key[CommentMode] = Key(
    "comment-at-least", _COMMENT, "What a repository's `comment` can't go below.", "`off`"
)
COMMENT_MOST: Key[CommentMode] = Key(
    "comment-at-most", _COMMENT, "What a repository's `comment` can't go beyond.", "`always`"
)
REPOSITORY = Record(
    "repositories",
    (MATCH, MAY_WRITE, MODE, ZERO_CONFIG, RULE_ROLES, COMMENT_LEAST, COMMENT_MOST),
)


def _only_match(match: str, mark: Mark, _notes: Notes) -> Fields:
    return Fields({"match": match}, {"match": mark}, mark)


REPOSITORY_FORM: Form[Fields] = ByShape(
    "pattern or mapping", scalar=Turned(MATCH.form, _only_match), mapping=REPOSITORY
)

# -- registries, secrets, limits and the rest --------------------------------------------------
BOT_AUTH = Key("bot-auth-file", FILE, "Docker `config.json` of the bot, which moves tags.", "none")
POD_AUTH = Key("pod-auth-file", FILE, "Docker `config.json` of trusted builds.", "none")
UNTRUSTED_AUTH = Key(
    "untrusted-auth-file",
    FILE,
    "Docker `config.json` of approved untrusted builds; let it read bases only.",
    "none",
)
INSECURE = Key("insecure", Flag(), "Plain HTTP.", "`false`")
MIRRORS = Key("mirrors", Listing(ADDRESS, alone=True), "Mirrors of this registry.", "none")
REGISTRY = Record(
    "registries",
    (BOT_AUTH, POD_AUTH, UNTRUSTED_AUTH, INSECURE, MIRRORS, CA_FILE),
    renamed={"auth-file": "there are two: bot-auth-file and pod-auth-file"},
)

SECRET_FILE = Key("file", FILE, "Where the value is.", "none: `secret` and `key` say it")
SECRET_OBJECT = Key(
    "secret",
    Text("name in the cluster", object_name),
    "Instead of a file: a Kubernetes Secret of the build namespace; the bot never sees its value.",
    "none",
)
SECRET_KEY = Key("key", Text("key", secret_key), "The key in that Secret.", "none")
SECRET_REPOSITORIES = Key(
    "repositories", REPOSITORIES, "Repositories that may use it.", required=True
)
SECRET_IMAGES = Key(
    "images",
    Listing(Text("pattern of image keys", centraltext.pattern), alone=True),
    "Keys of the images that may use it.",
    "all",
)
SECRET_EVENTS = Key("events", EVENTS, "Events that may use it. Forks never do.", "`[push, tag]`")
SECRET = Record(
    "secrets",
    (SECRET_FILE, SECRET_OBJECT, SECRET_KEY, SECRET_REPOSITORIES, SECRET_IMAGES, SECRET_EVENTS),
    renamed={"value": f"{INLINE}: file"},
)

BUILDS = Key("builds", Whole(1, 1000), "Builds at once.", "`4`")
PER_REPOSITORY = Key(
    "builds-per-repository", Whole(1, 1000), "Builds of one repository at once.", "`2`"
)
QUEUE = Key("queue-timeout", DURATION, "How long a build that can't start waits.", "`15m`")
BUILD = Key("build-timeout", DURATION, "When a build is ended.", "`30m`")
BUILD_MOST = Key("build-timeout-max", DURATION, "The longest `timeout` of a repository.", "`2h`")
SILENCE = Key("silence-timeout", DURATION, "When a build that prints nothing is ended.", "`20m`")
NEW_REFS = Key(
    "new-refs", Whole(1, 10_000), "New refs at once that are built; more are recorded only.", "`20`"
)
LIMITS = Record("limits", (BUILDS, PER_REPOSITORY, QUEUE, BUILD, BUILD_MOST, SILENCE, NEW_REFS))

_FORKS: Choice[Literal["approval", "writers"]] = Choice(("approval", "writers"))
FORKS: Key[Literal["approval", "writers"]] = Key(
    "forks",
    _FORKS,
    "`writers` trusts a fork's head while its author and sender have write access.",
    "`approval`",
)
FRONTENDS = Key(
    "frontends",
    IMAGES,
    "Images that the `# syntax=` of a fork's Dockerfile may name: they run inside BuildKit.",
    "`docker.io/docker/dockerfile`",
)
TRUST = Record("trust", (FORKS, FRONTENDS))

HOST = Key(
    "host",
    Text("`unix://` path or `tcp://` address", centraltext.docker_host),
    "The daemon's socket.",
    "`unix:///var/run/docker.sock`",
)
DEDICATED = Key(
    "dedicated", Flag(), "The daemon is the bot's alone: its cache is kept in bounds.", "`false`"
)
CACHE_LIMIT = Key(
    "cache-limit", Text("size (`20GB`)", fieldtext.size), "What its cache may hold.", "`20GB`"
)
_NETWORK: Choice[Literal["default", "host", "none"]] = Choice(("default", "host", "none"))
NETWORK: Key[Literal["default", "host", "none"]] = Key(
    "network", _NETWORK, "The network of build steps.", "`default`"
)
DOCKER = Record("docker", (HOST, DEDICATED, CACHE_LIMIT, NETWORK))

BODIES = Key("bodies", DAYS, "Days that webhook bodies are kept.", "`14`")
DELIVERIES = Key("deliveries", DAYS, "Days that delivery ids are kept.", "`90`")
LOGS = Key("logs", DAYS, "Days that logs are kept.", "`30`")
BUILDS_KEPT = Key("builds", DAYS, "Days that builds, claims and the journal are kept.", "`180`")
RETENTION = Record("retention", (BODIES, DELIVERIES, LOGS, BUILDS_KEPT))

DEFAULT_REGISTRY = Key(
    "registry",
    Text("registry host and path", centraltext.registry),
    "Where images without a name go.",
    "none: every image needs a name",
)
DEFAULTS = Record("defaults", (DEFAULT_REGISTRY,))

# -- the file ----------------------------------------------------------------------------------
VERSION = Key("version", Whole(1, 1), "The version of this format.", required=True)
PUBLIC_URL = Key("public-url", ADDRESS, "Where people reach the bot's pages.", required=True)
SOURCES = Key(
    "sources",
    Named(Text("source name", centraltext.source_name), SOURCE, least=1),
    "Git hosts by name; the name ends the webhook's address, `/webhooks/<name>`.",
    required=True,
)
REPOSITORY_RULES = Key(
    "repositories",
    Listing(REPOSITORY_FORM, most=5000),
    "Repositories that are served; the first match holds.",
    required=True,
)
REGISTRIES = Key(
    "registries",
    Named(
        Text("registry host", centraltext.registry_host),
        ByShape("mapping", mapping=REGISTRY, nothing=nothing_written),
    ),
    "Registries by host.",
    "none",
)
DEFAULTS_KEY = Key("defaults", DEFAULTS, "What holds where a repository says nothing.", "none")
LIMITS_KEY = Key("limits", LIMITS, "How much at once and how long.", "see there")
SECRETS_KEY = Key(
    "secrets",
    Named(Text("secret name", fieldtext.secret_id), SECRET, most=1000),
    "Build secrets by name.",
    "none",
)
TRUST_KEY = Key("trust", TRUST, "Whose code meets credentials.", "see there")
_EXECUTOR: Choice[Literal["docker", "kubernetes"]] = Choice(("docker", "kubernetes"))
EXECUTOR: Key[Literal["docker", "kubernetes"]] = Key(
    "executor", _EXECUTOR, "What runs builds. Read when the worker starts.", "`docker`"
)
DOCKER_KEY = Key("docker", DOCKER, "The daemon of the docker executor.", "see there")
KUBERNETES_KEY = Key(
    "kubernetes",
    KUBERNETES,
    "The cluster of the kubernetes executor, and its pods.",
    "none: needed with `executor: kubernetes`",
)
RETENTION_KEY = Key("retention", RETENTION, "What is kept how long.", "see there")
ANONYMOUS_LIST = Key("anonymous-list", Flag(), "Whether visitors see a list of builds.", "`false`")
SWEEP = Key(
    "sweep",
    DURATION,
    "How often refs, requests and comments are compared with the host's.",
    "`5m`",
)
PACE = Key(
    "pace",
    Text("duration (`1s`, `100ms`)", fieldtext.duration),
    "Between two writes with one credential (GitHub asks for a second).",
    "`1s`",
)
CENTRAL_FILE = Record(
    "central config",
    (
        VERSION,
        PUBLIC_URL,
        SOURCES,
        REPOSITORY_RULES,
        REGISTRIES,
        DEFAULTS_KEY,
        LIMITS_KEY,
        SECRETS_KEY,
        TRUST_KEY,
        COMMANDS_KEY,
        EXECUTOR,
        DOCKER_KEY,
        KUBERNETES_KEY,
        RETENTION_KEY,
        ANONYMOUS_LIST,
        SWEEP,
        PACE,
    ),
    later=frozenset({"notify", "auth", "policy"}),
    renamed={
        "default-registry": "it is registry under defaults",
        "untrusted": "it is untrusted under kubernetes",
    },
)
CENTRAL_RECORDS = (
    CENTRAL_FILE,
    SOURCE,
    APP,
    REPOSITORY,
    REGISTRY,
    DEFAULTS,
    LIMITS,
    SECRET,
    TRUST,
    COMMANDS,
    DOCKER,
    *KUBERNETES_RECORDS,
    RETENTION,
)
