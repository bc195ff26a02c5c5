"""Which images an event builds, under which names and tags, in what order, and what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.centralconfig import Limits, RepositoryRule, SecretRule
from bot.core.facts import KnownPaths, UnknownPaths
from bot.core.ids import Digest, ImageKey, Trust
from bot.core.planning import plan
from bot.core.planning_names import sort_text
from bot.core.plans import BaseMoved, SequenceOrder, VersionOrder
from bot.core.versions import parse_loose, parse_pep440, parse_semver
from tests.core.scene import (
    CENTRAL,
    RULE,
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
    tags,
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


# -- names -----------------------------------------------------------------------------------


def test_one_image_has_the_repositorys_name_and_several_have_their_keys_behind() -> None:
    one = config("version: 1\nimages: {api: {}}\n")
    assert image(plan(facts(pushed(), config=one)), "api").names == ("reg.test:5000/acme/shop",)
    both = config("version: 1\nimages: {api: {}, worker: {}}\n")
    found = plan(facts(pushed(), config=both))
    assert image(found, "api").names == ("reg.test:5000/acme/shop/api",)
    assert image(found, "worker").names == ("reg.test:5000/acme/shop/worker",)


def test_several_names_are_tagged_in_their_order_and_the_first_is_pushed() -> None:
    rule = replace(RULE, images=("one.test/**", "two.test/**"))
    both = config("version: 1\nimages: {api: {image: [one.test/api, two.test/api]}}\n")
    found = image(plan(facts(pushed(), config=both, rule=rule)), "api")
    assert [tag.reference for tag in found.tags] == [
        "one.test/api:main",
        "one.test/api:sha-aaaaaaa",
        "two.test/api:main",
        "two.test/api:sha-aaaaaaa",
    ]
    assert found.recipe["push"] == {"name": "one.test/api", "insecure": False}


def test_a_name_of_somebody_else_is_a_mistake_at_its_place() -> None:
    other = config("version: 1\nimages:\n  api:\n    image: reg.test:5000/other/api\n")
    (wrong,) = claim(plan(facts(pushed(), config=other))).mistakes
    assert (wrong.file, wrong.line, wrong.column) == (".pushwright.yaml", 4, 12)
    assert "reg.test:5000/other/api" in wrong.message
    assert "reg.test:5000/acme/shop" in (wrong.hint or "")


def test_a_cache_of_somebody_else_is_a_mistake() -> None:
    other = config("version: 1\nimages: {api: {cache-from: ['reg.test:5000/other/api:cache']}}\n")
    (wrong,) = claim(plan(facts(pushed(), config=other))).mistakes
    assert "reg.test:5000/other/api:cache" in wrong.message


def test_an_image_whose_names_are_switched_off_is_skipped() -> None:
    off = config(
        "version: 1\nimages: {api: {image: ['name=reg.test:5000/acme/shop,enable=false']}}\n"
    )
    found = plan(facts(pushed(), config=off))
    assert skipped(found) == {"api": "every name under `image` is switched off for this event"}


def test_without_a_registry_a_name_must_be_given() -> None:
    central = replace(CENTRAL, default_registry=None)
    (wrong,) = claim(plan(facts(pushed(), central=central))).mistakes
    assert "no default registry" in wrong.message


# -- tags ------------------------------------------------------------------------------------

COLLIDING = """\
version: 1
images:
  api: {image: reg.test:5000/acme/shop, on: {push: {branches: [main], paths: ["api/**"]}}}
  web: {image: reg.test:5000/acme/shop, on: {push: {branches: [main], paths: ["web/**"]}}}
"""


def test_two_images_that_claim_one_tag_are_a_mistake_whatever_changed() -> None:
    changed = {API: KnownPaths(("api/x",)), ImageKey("web"): KnownPaths(("api/x",))}
    found = claim(plan(facts(pushed(), config=config(COLLIDING), changed=changed)))
    assert found.images == ()
    assert [one.line for one in found.mistakes] == [4, 4]
    assert "images api and web both claim reg.test:5000/acme/shop:main" in found.mistakes[0].message


VERSIONS = """\
version: 1
images:
  api:
    on: {push: {tags: ["v*"]}}
    tags: ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}"]
"""


def test_versions_leave_names_to_higher_git_tags_of_the_repository() -> None:
    git_tags = ("v1.9.6", "v1.9.5", "v2.3.0")
    found = plan(facts(tagged("v1.9.6"), config=config(VERSIONS), git_tags=git_tags))
    assert tags(found, "api") == ["1.9.6", "1"]
    assert [tag.withheld for tag in image(found, "api").tags] == [
        None,
        None,
        "latest stays at 2.3.0",
    ]


def test_a_lower_patch_leaves_its_minor_alone() -> None:
    found = plan(facts(tagged("v1.9.5"), config=config(VERSIONS), git_tags=("v1.9.5", "v1.9.6")))
    withheld = [tag.withheld for tag in image(found, "api").tags]
    assert withheld == [None, "1 stays at 1.9.6", "latest stays at 1.9.6"]


def test_a_name_that_no_registry_takes_is_told_and_collides_with_nothing() -> None:
    both = (
        f"  {key}:\n    image: reg.test:5000/acme/shop\n    on: [push]\n"
        f"    tags: ['type=ref,event=branch', 'type=sha,prefix={key}-']\n"
        for key in ("api", "web")
    )
    said = config("version: 1\nimages:\n" + "".join(both))
    found = plan(facts(pushed("-x"), config=said))
    assert found.claims[0].mistakes == ()
    assert tags(found, "web") == ["web-aaaaaaa"]
    assert [(tag.tag, tag.withheld) for tag in image(found, "web").left_out] == [
        ("-x", "`-x` is no tag: it begins with `-`")
    ]


def test_pushed_order_is_what_the_action_does() -> None:
    said = config(VERSIONS + "    latest-order: pushed\n")
    found = plan(facts(tagged("v1.9.6"), config=said, git_tags=("v1.9.6", "v2.3.0")))
    assert tags(found, "api") == ["1.9.6", "1", "latest"]
    assert {type(tag.order) for tag in image(found, "api").tags} == {SequenceOrder}


def test_versions_are_ordered_as_versions_and_heads_by_their_sequence() -> None:
    found = image(plan(facts(tagged("v1.9.6"), config=config(VERSIONS))), "api")
    assert all(isinstance(tag.order, VersionOrder) for tag in found.tags)
    branch = image(plan(facts(pushed())), "shop")
    assert all(isinstance(tag.order, SequenceOrder) for tag in branch.tags)


@pytest.mark.parametrize(
    ("parse", "rising"),
    [
        (parse_semver, ["0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2",
                        "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.10", "1.9.0", "1.10.0"]),
        (parse_pep440, ["1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+local.1",
                        "1.0.post1", "1.1", "1!0.1"]),
        (parse_loose, ["2020.01", "2020.2-rc1", "2020.2", "2020.10", "2020.10.1"]),
    ],
)  # fmt: skip
def test_the_text_of_an_order_sorts_like_the_versions(parse: object, rising: list[str]) -> None:
    keys = []
    for text in rising:
        found = parse(text)  # type: ignore[operator]  # three parsers of one shape
        keys.append(sort_text(getattr(found, "version", found)))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


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
