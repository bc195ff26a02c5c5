"""Tags: who owns them, when they are settled, and that no order of endings turns one back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from bot.core.builds import BuildState
from bot.core.plans import ClaimKind, Plan, RefSeen, TagWish, VersionOrder, Withdrawal
from bot.records import (
    BuildRow,
    LeaseLost,
    Move,
)
from bot.store.schema import wanted_tag
from tests.contract.databases import (
    LEASE,
    SOURCE,
    Bench,
    branch,
    digest,
    git_tag,
    head_tag,
    image,
    repository,
    request_,
    sha,
    version_tag,
)

NUMBERS = itertools.count(2)


def pushed(bench: Bench, n: int, *tags: TagWish) -> BuildRow:
    """A started build of the n-th head of main."""
    bench.push(branch(sha(n), image("api", sha(n), tags=tags or [head_tag("main")])))
    (build,) = bench.admit()
    return build


def owner(bench: Bench, tag: str, name: str = "reg.example/api") -> str | None:
    """The digest that was last written under a tag."""

    def read(tx: Connection) -> str | None:
        query = select(wanted_tag.c.applied_digest).where(
            wanted_tag.c.name == name, wanted_tag.c.tag == tag
        )
        found = tx.execute(query).scalar()
        return None if found is None else str(found)

    return bench.store._database.read(read)


def notes(bench: Bench, build: BuildRow) -> list[tuple[str, ...]]:
    found = bench.store.build(build.id)
    assert found is not None
    return [view.notes for claim in found[2] for view in claim.images if view.build.id == build.id]


def test_an_older_head_that_ends_later_yields(bench: Bench) -> None:
    old, new = pushed(bench, 1), pushed(bench, 2)
    bench.succeed(new, digest(2))
    old = bench.prove(old, digest(1))
    assert bench.write_tags() == []
    assert bench.store.build_tags_settled(old) == (True, ())
    assert notes(bench, old) == [("main stays with a newer commit",)]
    assert owner(bench, "main") == digest(2)


def test_a_head_that_was_pushed_away_and_back_has_the_tag_again(bench: Bench) -> None:
    bench.succeed(pushed(bench, 1), digest(1))
    bench.succeed(pushed(bench, 2), digest(2))
    bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])))
    assert bench.write_tags() == [f"reg.example/api:main@{digest(1)}"]


def test_versions_compare_as_versions(bench: Bench) -> None:
    for n, version in ((1, "1.10.0"), (2, "1.9.6")):
        tags = [version_tag(version, version), version_tag("latest", version)]
        bench.push(git_tag(sha(n), image("api", sha(n), tags=tags), name=f"v{version}"))
        (build,) = bench.admit()
        bench.succeed(build, digest(n))
    assert owner(bench, "latest") == digest(1)
    assert owner(bench, "1.9.6") == digest(2)
    assert notes(bench, build) == [("latest stays at 1.10.0",)]


def test_what_the_plan_withheld_is_told_and_not_written(bench: Bench) -> None:
    withheld = replace(version_tag("latest", "1.9.6"), withheld="latest stays at 2.3.0")
    build = bench.prove(pushed(bench, 1, withheld), digest(1))
    assert bench.store.build_tags_settled(build) == (True, ())
    assert notes(bench, build) == [("latest stays at 2.3.0",)]
    assert bench.write_tags() == []


def test_a_tag_that_is_taken_over_before_it_was_written_is_settled(bench: Bench) -> None:
    old, new = pushed(bench, 1), pushed(bench, 2)
    old = bench.prove(old, digest(1))
    assert bench.store.build_tags_settled(old) == (False, ())
    new = bench.prove(new, digest(2))
    assert bench.store.build_tags_settled(old) == (True, ())
    assert bench.store.build_tags_settled(new) == (False, ())
    assert bench.write_tags() == [f"reg.example/api:main@{digest(2)}"]


def test_a_write_that_is_overtaken_is_followed_by_the_newer_one(bench: Bench) -> None:
    old, new = pushed(bench, 1), pushed(bench, 2)
    bench.prove(old, digest(1))
    (writing,) = bench.store.due_tags(bench.tick(), LEASE, 9)
    bench.prove(new, digest(2))
    assert bench.store.due_tags(bench.tick(), LEASE, 9) == []  # one writer per tag
    bench.store.tag_applied(writing, bench.tick(), bench.now + 30)
    (following,) = bench.store.due_tags(bench.tick(), LEASE, 9)
    assert (following.digest, following.checking) == (digest(2), False)
    assert following.ours == (digest(1), digest(2))
    bench.store.tag_applied(following, bench.tick(), bench.now + 30)
    assert bench.store.due_tags(bench.now + 29, LEASE, 9) == []
    (check,) = bench.store.due_tags(bench.now + 31, LEASE, 9)
    assert check.checking
    bench.store.tag_applied(check, bench.now + 32, None)
    assert bench.store.due_tags(bench.now + 9999, LEASE, 9) == []


def test_a_writer_that_lost_its_lease_changes_nothing(bench: Bench) -> None:
    bench.prove(pushed(bench, 1), digest(1))
    (slow,) = bench.store.due_tags(bench.tick(), LEASE, 9)
    (fast,) = bench.store.due_tags(bench.tick(31), LEASE, 9)
    with pytest.raises(LeaseLost):
        bench.store.tag_applied(slow, bench.now, None)
    with pytest.raises(LeaseLost):
        bench.store.tag_delayed(slow, bench.now, "no", refused=True)
    bench.store.tag_applied(fast, bench.now, None)


def test_a_refused_tag_is_settled_and_told(bench: Bench) -> None:
    build = bench.prove(pushed(bench, 1, head_tag("1.2.3"), head_tag("main")), digest(1))
    for tag in bench.store.due_tags(bench.tick(), LEASE, 9):
        if tag.tag == "1.2.3":
            bench.store.tag_delayed(tag, bench.now, "it exists", refused=True)
        else:
            bench.store.tag_delayed(tag, bench.now + 5, "registry down")
    assert bench.store.build_tags_settled(build) == (False, ())
    assert bench.write_tags() == []
    bench.tick(10)
    assert len(bench.write_tags()) == 1
    assert bench.store.build_tags_settled(build) == (True, ("tag 1.2.3 refused: it exists",))


def test_settled_tags_wake_their_build(bench: Bench) -> None:
    build = bench.prove(pushed(bench, 1), digest(1))
    bench.store.release_build(build, bench.now + 5000)
    assert bench.store.due_builds(bench.tick(), LEASE, 9) == []
    bench.write_tags()
    assert [row.id for row in bench.store.due_builds(bench.tick(), LEASE, 9)] == [build.id]


def test_other_names_are_copied_from_the_first(bench: Bench) -> None:
    planned = image("api", sha(1), tags=[head_tag("main"), head_tag("main", "mirror")])
    planned = replace(planned, names=("reg.example/api", "reg.example/mirror"))
    bench.push(branch(sha(1), planned))
    bench.prove(bench.start(), digest(1))
    found = {tag.name: tag.from_name for tag in bench.store.due_tags(bench.tick(), LEASE, 9)}
    assert found == {
        "reg.example/api": "reg.example/api",
        "reg.example/mirror": "reg.example/api",
    }


def test_check_only_builds_write_no_tag(bench: Bench) -> None:
    planned = image("api", sha(1), tags=[head_tag("pr-7")], check_only=True)
    bench.push(request_(sha(1), planned))
    (build,) = bench.admit()
    bench.store.move_build(build, Move(BuildState.SUCCEEDED), bench.tick())
    assert bench.write_tags() == []


def test_withdrawn_claims_write_no_tag(bench: Bench) -> None:
    build = pushed(bench, 1)
    bench.push(request_(sha(1), image("api", sha(1), tags=[head_tag("pr-7")])))
    gone = Withdrawal(ClaimKind.BRANCH, "main", "cancelled", "deleted")
    bench.apply(Plan("", withdraw=(gone,), seen=(RefSeen("refs/heads/main", None),)))
    bench.prove(build, digest(1))
    assert bench.write_tags() == [f"reg.example/api:pr-7@{digest(1)}"]


def test_an_unchanged_image_is_not_written_twice(bench: Bench) -> None:
    bench.succeed(pushed(bench, 1), digest(1))
    build = bench.prove(pushed(bench, 2), digest(1))
    assert bench.store.build_tags_settled(build) == (True, ())
    assert bench.write_tags() == []
    bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])), seen=False)
    assert bench.write_tags() == []


def test_a_version_and_a_head_that_want_one_name(bench: Bench) -> None:
    """Where kinds meet, the order of arrival decides."""
    bench.push(git_tag(sha(1), image("api", sha(1), tags=[version_tag("edge", "9.9.9")])))
    bench.succeed(bench.start(), digest(1))
    bench.succeed(pushed(bench, 2, head_tag("edge")), digest(2))
    assert owner(bench, "edge") == digest(2)


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data(), order=st.permutations(range(4)), versions=st.permutations(range(4)))
def test_whatever_the_order_of_endings_the_highest_key_has_the_tag(
    bench: Bench, data: st.DataObject, order: Sequence[int], versions: Sequence[int]
) -> None:
    """The oracle: `main` is the last head's that succeeded, `latest` the highest version's."""
    number = next(NUMBERS)
    bench.row = bench.store.repository_row(SOURCE, repository(number))
    key = f"api{number}"
    good = data.draw(st.sets(st.integers(0, 3)), label="succeed")
    builds: dict[int, BuildRow] = {}
    for n in range(4):
        version = VersionOrder(f"1.{versions[n]}.0", f"{versions[n]:04d}")
        tags = [head_tag("main", key), TagWish(f"reg.example/{key}", "latest", version)]
        commit = sha(number * 10 + n)
        bench.push(branch(commit, image(key, commit, repository_id=number, tags=tags)))
        builds[n] = next(b for b in bench.admit() if b.repository_id == bench.row.id)
    for n in order:
        if n not in good:
            bench.fail(builds[n])
            continue
        bench.prove(builds[n], digest(number * 10 + n))
        if data.draw(st.booleans(), label="write now"):
            bench.write_tags()
    bench.write_tags()
    name = f"reg.example/{key}"
    newest = max(good, default=None)
    highest = max(good, key=lambda n: versions[n], default=None)
    assert owner(bench, "main", name) == (None if newest is None else digest(number * 10 + newest))
    assert owner(bench, "latest", name) == (
        None if highest is None else digest(number * 10 + highest)
    )
