"""The central config: what it comes to, whom it binds, and no bytes that raise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.binding import binding_mistakes, may_use
from bot.core.centralconfig import (
    App,
    CentralConfig,
    Limits,
    RegistryRule,
    RepositoryRule,
    SecretRule,
    Source,
)
from bot.core.centralfile import may_write, parse_central, rule_for
from bot.core.ids import HostKind, SourceName, Trust
from bot.core.podoverrides import check
from bot.core.podsettings import Kubernetes, PodSettings, SecretKey, refusal
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file

EXAMPLE = Path(__file__).parents[2] / "config" / "pushwright.example.yaml"
SMALL = """
version: 1
public-url: https://b.example.com/
sources: {gh: {kind: github, token-file: t, webhook-secret-files: [s]}}
repositories: [acme/*]
defaults: {registry: ghcr.io}
"""


def read(text: str | bytes, file: str = "/etc/pushwright/config.yaml") -> CentralConfig:
    found = parse_central(text.encode() if isinstance(text, str) else text, file)
    assert isinstance(found, CentralConfig), [str(one) for one in found]
    return found


def test_the_example_says_what_its_comments_say() -> None:
    config = read(EXAMPLE.read_bytes())
    folder = "/etc/pushwright"
    assert config.sources[SourceName("github")] == Source(
        name=SourceName("github"),
        kind=HostKind.GITHUB,
        url="https://github.com",
        api_url="https://api.github.com",
        app=App("123456", f"{folder}/secrets/github-app.pem"),
        webhook_secret_files=(f"{folder}/secrets/github-webhook",),
        reports="checks",
    )
    gitlab = config.sources[SourceName("gitlab")]
    assert gitlab.api_url == "https://gitlab.example.com/api/v4"
    assert gitlab.signing_key_files == (f"{folder}/secrets/gitlab-signing-key",)
    assert config.repositories[0] == RepositoryRule("github:acme/legacy", mode="observe")
    assert config.repositories[2] == RepositoryRule("gitlab:platform/**", zero_config=False)
    assert config.registries["registry.internal:5000"] == RegistryRule(
        "registry.internal:5000", insecure=True
    )
    assert config.secrets["npm-token"] == SecretRule(
        "npm-token", f"{folder}/secrets/npm-token", ("github:acme/*",)
    )
    assert config.limits == Limits()
    assert (config.default_registry, config.sweep_seconds) == ("ghcr.io", 300)
    assert config.pace_seconds == pytest.approx(1.0)
    assert config.warnings == ()


def test_what_is_not_said_is_the_types_default() -> None:
    config = read(SMALL, "config.yaml")
    usual = CentralConfig("https://b.example.com", config.sources, (RepositoryRule("acme/*"),))
    assert config.sources[SourceName("gh")].token_file == "t"
    assert config.public_url == usual.public_url
    assert (config.limits, config.docker, config.retention) == (
        usual.limits,
        usual.docker,
        usual.retention,
    )
    assert (config.trust, config.anonymous_list) == (usual.trust, usual.anonymous_list)
    assert (config.sweep_seconds, config.pace_seconds) == (usual.sweep_seconds, usual.pace_seconds)
    assert config.repositories == usual.repositories


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("team:core", "give them the role there"),
        ("approvers", "give them the role there"),
        ("owners", "here it is admin"),
        ("wirte", "did you mean write?"),
    ],
)
def test_teams_are_given_roles_at_the_host(word: str, hint: str) -> None:
    found = parse_central(f"{SMALL}commands: {{roles: {{build: '{word}'}}}}\n".encode(), "x.yaml")
    assert not isinstance(found, CentralConfig)
    (one,) = found
    assert f"not `{word}`" in one.message
    assert hint in str(one.hint)


def test_frontends_of_code_that_nobody_trusts() -> None:
    policy = read(f"{SMALL}trust: {{frontends: r.test/hub/docker/*}}\n").trust
    assert policy.frontends_of(Trust.UNTRUSTED) == ("r.test/hub/docker/*",)
    assert policy.frontends_of(Trust.TRUSTED) is None


@pytest.mark.parametrize(
    ("kind", "url", "api"),
    [
        ("github", "https://github.com/", "https://api.github.com"),
        ("github", "https://ghe.example.com", "https://ghe.example.com/api/v3"),
        ("gitlab", "https://example.com/gitlab", "https://example.com/gitlab/api/v4"),
        ("gitlab", "http://[::1]:8080", "http://[::1]:8080/api/v4"),
        ("gitea", "https://example.com/git", "https://example.com/git/api/v1"),
    ],
)
def test_api_addresses(kind: str, url: str, api: str) -> None:
    text = SMALL.replace("kind: github", f"kind: {kind}, url: '{url}'")
    config = read(text)
    assert config.sources[SourceName("gh")].api_url == api
    assert config.warnings == ()


GITEA = "kind: gitea, url: 'https://g.test'"


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        ("kind: gitea, token-file: t, webhook-secret-files: [s]", "4:11", "needs the address"),
        ("kind: forgejo, token-file: t, webhook-secret-files: [s]", "4:22", "here it is gitea"),
        (
            GITEA + ", app: {id: 1, private-key-file: k}, webhook-secret-files: [s]",
            "4:52",
            "Apps are GitHub's",
        ),
        (
            GITEA + ", token-file: t, signing-key-files: [s]",
            "4:67",
            "signing keys are GitLab's",
        ),
        (
            GITEA + ", token-file: t, webhook-secret-files: [s], reports: checks",
            "4:94",
            "GitHub Apps alone",
        ),
    ],
)
def test_what_a_gitea_can_not_have(source: str, place: str, words: str) -> None:
    text = SMALL.replace("kind: github, token-file: t, webhook-secret-files: [s]", source)
    found = parse_central(text.encode(), "c.yaml")
    assert isinstance(found, tuple)
    told = [str(one) for one in found]
    assert any(words in one for one in told), told
    assert told[0].startswith(f"c.yaml:{place}:"), told


def test_warnings_do_not_keep_a_config_from_being_used() -> None:
    text = SMALL.replace(
        "sources: {",
        "sources: {b: {kind: gitlab, url: http://git, token-file: t, webhook-secret-files: s}, ",
    )
    assert [one.message for one in read(text).warnings] == [
        "tokens go to `http://git` unencrypted",
        "`acme/*` matches at every source",
    ]


def test_no_message_repeats_a_secret() -> None:
    text = SMALL.replace(
        "token-file: t", "token-file: '-----BEGIN hunter2', token: hunter2"
    ).replace("https://b.example.com/", "https://user:hunter2@b.example.com/")
    found = parse_central(text.encode(), "c")
    assert not isinstance(found, CentralConfig)
    assert len(found) == 3
    assert not [one for one in found if "hunter2" in str(one)]


def test_the_first_rule_that_matches_holds() -> None:
    config = read(
        SMALL.replace("[acme/*]", "[{match: 'gh:acme/a', mode: observe}, acme/*, gh:x/**]")
    )
    rules = config.repositories
    assert rule_for(config, "gh", "acme/a") is rules[0]
    assert rule_for(config, "other", "acme/a") is rules[1]
    assert rule_for(config, "gh", "ACME/B") is rules[1]
    assert rule_for(config, "gh", "x/y/z") is rules[2]
    for path in ("acme/a/b", "acme", "evil/acme/a", "acmes/a", "y/acme/a"):
        assert rule_for(config, "gh", path) is None


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("ghcr.io/acme/api", True),
        ("GHCR.io/acme/api", True),
        ("ghcr.io/acme/api/web:main", True),
        ("ghcr.io/acme/api@sha256:" + "0" * 64, True),
        ("ghcr.io/acme/api-evil", False),
        ("ghcr.io/acme/apis", False),
        ("ghcr.io/acme", False),
        ("ghcr.io.evil.example/acme/api", False),
        ("evil.example/ghcr.io/acme/api", False),
        ("ghcr.io:443/acme/api", False),
        ("acme/api", False),
        ("ghcr.io/acme/api/../other", False),
        ("ghcr.io//acme/api", False),
        ("ghcr.io/acme/api\nx", False),
        ("", False),
    ],
)
def test_without_patterns_a_repository_writes_below_its_own_name(name: str, allowed: bool) -> None:
    config = read(SMALL)
    assert may_write(config.repositories[0], config, "Acme/API", name) is allowed


def test_patterns_match_whole_names() -> None:
    config = read(SMALL)
    rule = RepositoryRule("acme/*", images=("ghcr.io/acme/*", "docker.io/acme/tool"))
    for name, allowed in {
        "ghcr.io/acme/x": True,
        "ghcr.io/acme/x/y": False,
        "acme/tool": True,
        "index.docker.io/acme/tool:1": True,
        "acme/tools": False,
        "ghcr.io/acme/": False,
    }.items():
        assert may_write(rule, config, "acme/api", name) is allowed, name


@given(st.text(alphabet="abgichr.o/:-_A@\n", max_size=30))
def test_nobody_writes_outside(name: str) -> None:
    config = read(SMALL)
    if may_write(config.repositories[0], config, "a/b", name):
        assert name.lower().startswith("ghcr.io/a/b")


def test_a_path_that_is_no_image_name_never_takes_anothers() -> None:
    config = read(SMALL)
    assert not may_write(config.repositories[0], config, "acme/.github", "ghcr.io/acme/github")


def test_mistakes_of_binding_have_their_places() -> None:
    config = read(SMALL)
    repo = parse_repo_file(
        b"version: 1\nimages:\n  a:\n"
        b"    image: [ghcr.io/acme/api, 'name=ghcr.io/Other/x,enable=true']\n"
        b"    cache-from: ghcr.io/other/c:1\n    secrets: [{id: npm, from: npm}]\n"
    )
    assert isinstance(repo, RepoConfig)
    rule = config.repositories[0]
    names = ((repo.images[0], ("ghcr.io/acme/api", "ghcr.io/other/x")),)
    found = binding_mistakes(config, rule, "acme/api", names, "f")
    hint = " (allowed: ghcr.io/acme/api and below)"
    assert [str(one) for one in found] == [
        f"f:4:32: this repository may not write `ghcr.io/other/x`{hint}",
        f"f:3:3: this repository may not use the cache `ghcr.io/other/c:1`{hint}",
    ]


def test_who_may_use_a_secret() -> None:
    rule = SecretRule("s", "f", ("gh:acme/*",), ("api*",), ("push",))
    assert may_use(rule, "gh", "acme/x", "api2", "push")
    assert not may_use(rule, "gl", "acme/x", "api", "push")
    assert not may_use(rule, "gh", "acme/x/y", "api", "push")
    assert not may_use(rule, "gh", "acme/x", "web", "push")
    assert not may_use(rule, "gh", "acme/x", "api", "pull_request")


PIECES = st.sampled_from(
    [*SMALL.splitlines(keepends=True), "{", "}", "a: ", "- ", "*x", "[", "\n", "~"]
)


@settings(max_examples=200)
@given(
    st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=20).map("".join).map(str.encode))
)
@example(b"sources: {a: {kind: github, url: 'https://[x]'}}")
@example(b"sources: {a: {kind: github, url: 'https://a:99999'}}")
@example("sources: {a: {kind: github, url: 'https://ｅ'}}".encode())
@example("sources: {a: {kind: github, url: 'https://a\u2100b'}}".encode())
def test_no_bytes_raise(data: bytes) -> None:
    found = parse_central(data, "c")
    assert isinstance(found, CentralConfig) or found


def test_the_example_s_cluster_is_read_whole() -> None:
    """With what pods need of registries and secrets."""
    text = EXAMPLE.read_text().replace("executor: docker", "executor: kubernetes")
    text = text.replace("    insecure: true", "    insecure: true\n    mirrors: http://m.test:5000")
    cluster = read(text).kubernetes
    assert cluster is not None
    assert (cluster.instance, cluster.kubeconfig) == ("main", "/etc/pushwright/secrets/kubeconfig")
    pods = cluster.pods
    assert (pods.namespace, pods.dockerd_image) == ("pushwright-builds", "docker:29-dind")
    assert (pods.default.cpu, pods.most.memory) == ("1", "16Gi")
    assert pods.tolerations == ({"key": "builds", "operator": "Exists", "effect": "NoSchedule"},)
    assert pods.network.insecure == ("registry.internal:5000",)
    assert pods.network.mirrors == {"registry.internal:5000": ("http://m.test:5000",)}
    assert pods.network.proxies["HTTPS_PROXY"] == "http://proxy.example.com:3128"
    assert pods.secrets == {"deploy-key": SecretKey("build-secrets", "deploy-key")}
    assert pods.untrusted is not None
    assert refusal(pods, trusted=False) is None
    assert check(pods.override) == []


def test_a_cluster_s_defaults() -> None:
    cluster = "kubernetes: {namespace: builds, builder-image: reg.example.com/bot:1"
    config = read(f"{SMALL}{cluster}}}\n")
    assert config.executor == "docker"  # the section alone changes nothing
    assert config.kubernetes == Kubernetes(
        PodSettings("builds", "reg.example.com/bot:1", "docker:29-dind")
    )
    config = read(f"{SMALL}{cluster}, untrusted: {{namespace: builds}}}}\n")
    assert "need a namespace of their own" in str(config.warnings[0])
