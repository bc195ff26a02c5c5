"""Which images an event builds, in what order, what a file may say of them, and what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.centralconfig import Limits, RepositoryRule, SecretRule
from bot.core.facts import KnownPaths, UnknownPaths
from bot.core.ids import Digest, ImageKey, Trust
from bot.core.planning import plan
from bot.core.plans import BaseMoved
from tests.core.scene import (
    CENTRAL,
    A,
    B,
    claim,
    config,
    facts,
    image,
    pushed,
    requested,
    skipped,
    tagged,
)

API, BASE = ImageKey("api"), ImageKey("base")
PATHS = config("""\
version: 1
images:
  api:
    context: services/api
    on:
      push: {branches: [main], tags: ["v*"], paths: ["services/api/**"]}
      pull_request: {paths: ["services/api/**"]}
    required: true
""")
NEEDS = config("""\
version: 1
images:
  api: {needs: [base], on: {push: {branches: [main]}, pull_request: {}}}
  base: {context: base, on: {push: {branches: [main], paths: ["base/**"]}}}
""")
DIGEST = Digest("sha256:" + "d" * 64)


# -- paths -----------------------------------------------------------------------------------


def test_a_change_elsewhere_does_not_affect_an_image_and_moves_its_base() -> None:
    found = plan(facts(pushed(), config=PATHS, changed={API: KnownPaths(("README.md",))}))
    assert claim(found).images == ()
    assert skipped(found) == {"api": "not affected: no file under services/api"}
    assert claim(found).skipped[0].required
    assert claim(found).nothing == "nothing to build: not affected: no file under services/api"
    assert found.bases == (BaseMoved("refs/heads/main", API, A),)


def test_a_late_delivery_moves_no_base() -> None:
    changed = {API: KnownPaths(("README.md",))}
    assert plan(facts(pushed(sha=A), head=B, known=B, config=PATHS, changed=changed)).bases == ()


def test_a_request_moves_no_base() -> None:
    changed = {API: KnownPaths(("README.md",))}
    found = plan(facts(requested(), config=PATHS, changed=changed))
    assert claim(found).images == ()
    assert found.bases == ()


def test_what_changed_is_said() -> None:
    changed = {API: KnownPaths(("README.md", "services/api/app.py"))}
    found = image(plan(facts(pushed(), config=PATHS, changed=changed)), "api")
    assert (
        found.why == "branches main matched main; paths services/api/** matched services/api/app.py"
    )
    assert plan(facts(pushed(), config=PATHS, changed=changed)).bases == ()


def test_what_nobody_knows_is_built() -> None:
    unknown = {API: UnknownPaths("more than 300 files")}
    found = image(plan(facts(pushed(), config=PATHS, changed=unknown)), "api")
    assert found.why.endswith("what changed is not known: more than 300 files")
    found = image(plan(facts(pushed(), config=PATHS)), "api")
    assert found.why.endswith("which files changed is not known")


def test_paths_never_apply_to_tags() -> None:
    changed = {API: KnownPaths(("README.md",))}
    assert claim(plan(facts(tagged("v1.0.0"), config=PATHS, changed=changed))).images


# -- needs -----------------------------------------------------------------------------------


def test_a_needed_image_of_the_same_plan_comes_first_and_stands_by_its_identity() -> None:
    found = claim(plan(facts(pushed(), config=NEEDS)))
    assert [one.image for one in found.images] == ["base", "api"]
    (need,) = found.images[1].needs
    assert (need.identity, need.digest) == (found.images[0].identity, None)


def test_a_needed_image_that_is_not_built_gives_its_last_digest() -> None:
    last = {BASE: ("reg.test:5000/acme/shop/base", DIGEST)}
    for event in (pushed(), requested()):
        changed = {BASE: KnownPaths(("api/x",))}
        found = claim(plan(facts(event, config=NEEDS, changed=changed, last_digests=last)))
        (only,) = found.images
        assert only.needs[0].digest == DIGEST
        build = only.recipe["build"]
        assert isinstance(build, dict)
        wanted = f"docker-image://reg.test:5000/acme/shop/base@{DIGEST}"
        assert build["contexts"] == {"base": wanted}


def test_a_needed_image_that_was_never_built_is_built_though_nothing_of_it_changed() -> None:
    found = claim(plan(facts(pushed(), config=NEEDS, changed={BASE: KnownPaths(("api/x",))})))
    first, second = found.images
    assert (first.image, first.why) == ("base", "needed by api, and never built before")
    assert second.image == "api"


def test_a_needed_image_that_this_event_may_not_build_is_a_mistake_when_there_is_none() -> None:
    (wrong,) = claim(plan(facts(requested(), config=NEEDS))).mistakes
    assert wrong.line == 3
    assert "api needs base, which is not built by this event and was never built before" in (
        wrong.message
    )


def test_a_needed_image_that_is_only_checked_gives_its_last_digest() -> None:
    checked = config("""\
version: 1
images:
  base: {push: false}
  api: {needs: [{image: base, arg: BASE}]}
""")
    last = {BASE: ("reg.test:5000/acme/shop/base", DIGEST)}
    found = image(plan(facts(pushed(), config=checked, last_digests=last)), "api")
    build = found.recipe["build"]
    assert isinstance(build, dict)
    assert build["args"] == {"BASE": f"reg.test:5000/acme/shop/base@{DIGEST}"}


# -- what else an image says -----------------------------------------------------------------


def test_push_says_which_events_are_only_checked() -> None:
    only_tags = config("version: 1\nimages: {api: {push: [tag]}}\n")
    assert image(plan(facts(pushed(), config=only_tags)), "api").check_only
    assert not image(plan(facts(tagged("v1.0.0"), config=only_tags)), "api").check_only


def test_arguments_and_labels_are_filled_in() -> None:
    said = config("""\
version: 1
images:
  api:
    args: {VERSION: "{{tag}}", SHA: "{{sha}}"}
    labels: {org.opencontainers.image.title: mine, at: "{{branch}}"}
""")
    found = image(plan(facts(tagged("v1.2.3"), config=said)), "api")
    build = found.recipe["build"]
    assert isinstance(build, dict)
    assert build["args"] == {"VERSION": "v1.2.3", "SHA": "aaaaaaa"}
    assert found.labels["org.opencontainers.image.title"] == "mine"
    assert "org.opencontainers.image.revision" not in found.labels


def test_full_labels_name_the_commit() -> None:
    full = config("version: 1\nimages: {api: {oci-labels: full}}\n")
    found = image(plan(facts(pushed(), config=full)), "api").labels
    assert found["org.opencontainers.image.revision"] == A
    assert found["org.opencontainers.image.version"] == "main"
    assert found["org.opencontainers.image.created"].startswith("2026-03-04T05:06:07")


def test_what_the_host_says_of_the_repository_is_in_the_labels() -> None:
    event = pushed()
    said = replace(event.repository, description="A shop", licenses="MIT")
    found = image(plan(facts(replace(event, repository=said))), "shop").labels
    assert found == {
        "org.opencontainers.image.description": "A shop",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.source": "https://git.test/s",
        "org.opencontainers.image.title": "shop",
        "org.opencontainers.image.url": "https://git.test/s",
    }


SECRET = config("""\
version: 1
images:
  api: {secrets: [{id: npm, from: npm-token, events: [push]}]}
""")


def _offering(**more: object) -> object:
    offered = {"repositories": ("acme/*",)} | more
    rule = SecretRule("npm-token", "/run/secrets/npm", **offered)  # type: ignore[arg-type]  # one of its fields
    return replace(CENTRAL, secrets={"npm-token": rule})


def test_an_offered_secret_is_given_to_the_events_that_it_names() -> None:
    found = image(plan(facts(pushed(), config=SECRET, central=_offering())), "api")
    assert found.secrets == (("npm", "npm-token"),)
    build = found.recipe["build"]
    assert isinstance(build, dict)
    assert build["secrets"] == [{"id": "npm"}]
    request = image(plan(facts(requested(), config=SECRET, central=_offering())), "api")
    assert request.secrets == ()


@pytest.mark.parametrize(
    "central",
    [
        CENTRAL,
        _offering(repositories=("other/*",)),
        _offering(images=("web",)),
        _offering(events=("tag",)),
    ],
)
def test_a_secret_that_is_not_offered_is_a_mistake(central: object) -> None:
    (wrong,) = claim(plan(facts(pushed(), config=SECRET, central=central))).mistakes
    assert "secret `npm-token` of image `api` is not offered" in wrong.message


def test_untrusted_code_gets_no_secret_and_no_mistake_tells_that_there_is_one() -> None:
    found = claim(plan(facts(pushed(), config=SECRET, central=_offering(), trust=Trust.UNTRUSTED)))
    assert found.images == ()
    assert found.mistakes == ()


def test_a_timeout_stays_within_the_administrators() -> None:
    said = config("version: 1\nimages: {api: {timeout: 1h}}\n")
    assert image(plan(facts(pushed(), config=said)), "api").timeout_seconds == 3600
    central = replace(CENTRAL, limits=Limits(build_seconds_max=600))
    (wrong,) = claim(plan(facts(pushed(), config=said, central=central))).mistakes
    assert "`timeout` is over the 600 s that are allowed" in wrong.message
    short = image(plan(facts(pushed(), central=central)), "shop")
    assert short.timeout_seconds == 600


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    many = config("""\
version: 1
images:
  web: {image: reg.test:5000/other/web}
  api: {image: reg.test:5000/other/api, timeout: 9h}
""")
    found = claim(plan(facts(pushed(), config=many))).mistakes
    assert [one.line for one in found] == [3, 4, 4]


def test_a_plain_registry_is_reached_plainly() -> None:
    found = image(plan(facts(pushed())), "shop")
    assert found.recipe["push"] == {"name": "reg.test:5000/acme/shop", "insecure": True}


def test_the_rule_of_the_administrator_names_what_may_be_written() -> None:
    rule = RepositoryRule("acme/*", images=("other.test/**",))
    (wrong,) = claim(plan(facts(pushed(), rule=rule))).mistakes
    assert "reg.test:5000/acme/shop" in wrong.message
