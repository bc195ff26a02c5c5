"""What a success leaves behind: the base of its paths, the last digest, what to compare with,
what can be promoted."""

from __future__ import annotations

from typing import Any

from bot.core.builds import CacheUse
from bot.core.ids import Digest, ImageKey, Sha, Trust
from bot.core.plans import BaseMoved, Plan, RefSeen
from tests.contract.databases import Bench, branch, digest, head_tag, image, request_, sha

MAIN = "refs/heads/main"


class TestBases:
    def base(self, bench: Bench) -> Sha | None:
        return bench.store.repository_state(bench.row.id).bases.get((MAIN, ImageKey("api")))

    def test_a_base_moves_with_success_and_only_forward(self, bench: Bench) -> None:
        for n in (1, 2, 3):
            bench.push(branch(sha(n), image("api", sha(n))))
        builds = {build.sha: build for build in bench.admit()}
        bench.succeed(builds[sha(2)], digest(2))
        assert self.base(bench) == sha(2)
        bench.succeed(builds[sha(1)], digest(1))
        assert self.base(bench) == sha(2)
        bench.fail(builds[sha(3)])
        assert self.base(bench) == sha(2)

    def test_a_reused_success_moves_it(self, bench: Bench) -> None:
        bench.push(request_(sha(1), image("api", sha(1))))
        bench.succeed(bench.start(), digest(1))
        assert self.base(bench) is None
        bench.push(branch(sha(1), image("api", sha(1))))
        assert self.base(bench) == sha(1)

    def test_a_head_that_changed_nothing_moves_it(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        bench.succeed(bench.start(), digest(1))
        moved = BaseMoved(MAIN, ImageKey("api"), sha(2))
        bench.apply(Plan("", seen=(RefSeen(MAIN, sha(2)),), bases=(moved,)))
        assert self.base(bench) == sha(2)


class TestLastDigest:
    def test_the_newest_success_of_the_first_ref_that_has_one(self, bench: Bench) -> None:
        for n in (1, 2):
            bench.push(branch(sha(n), image("api", sha(n))))
        builds = {build.sha: build for build in bench.admit()}
        bench.succeed(builds[sha(2)], digest(2))
        bench.succeed(builds[sha(1)], digest(1))
        bench.push(
            request_(sha(3), image("api", sha(3)), trust=Trust.UNTRUSTED, name="9"),
        )
        bench.succeed(bench.start(), digest(3))

        def last(trust: Trust, *refs: str) -> object:
            return bench.store.last_digest(bench.row.id, ImageKey("api"), trust, refs)

        assert last(Trust.TRUSTED, "refs/heads/x", MAIN) == ("reg.example/api", digest(2))
        assert last(Trust.TRUSTED, "request/9") is None
        assert last(Trust.UNTRUSTED, "request/9") == ("reg.example/api", digest(3))
        assert last(Trust.TRUSTED) == ("reg.example/api", digest(2))
        assert last(Trust.TRUSTED, "refs/tags/v1") is None

    def test_the_last_that_took_no_step_from_a_cache(self, bench: Bench) -> None:
        uses = [CacheUse(0, 3), CacheUse(2, 3, found=1), CacheUse(None, 3, found=1), CacheUse(3, 3)]
        for n, use in enumerate(uses, start=1):
            bench.push(branch(sha(n), image("api", sha(n))))
            bench.succeed(bench.start(), digest(n), use)

        def full() -> object:
            args = (bench.row.id, ImageKey("api"), Trust.TRUSTED, ())
            return bench.store.last_digest(*args, full=True)

        assert full() == ("reg.example/api", digest(1))
        bench.push(branch(sha(5), image("api", sha(5))))
        told = '"full":true'  # in a text, where its quotes are escaped
        bench.succeed(bench.start(), digest(5), CacheUse(1, 3, first_miss=told, found=1))
        assert full() == ("reg.example/api", digest(1))
        bench.push(branch(sha(6), image("api", sha(6))))
        bench.succeed(bench.start(), digest(6), CacheUse(None, 3))
        assert full() == ("reg.example/api", digest(6))


class TestSuccessBefore:
    def test_of_the_same_image_and_queued_earlier(self, bench: Bench) -> None:
        built = {}
        for n, key in ((1, "api"), (2, "web"), (3, "api"), (4, "api")):
            bench.push(branch(sha(n), image(key, sha(n))))
            use = CacheUse(n, 9, why="w", rerun_stages="deps", rerun_seconds=2.5)
            built[n] = bench.succeed(bench.start(), digest(n), use)
        before = bench.store.success_before(built[3])
        assert before is not None
        assert before.cache == CacheUse(1, 9, why="w", rerun_stages="deps", rerun_seconds=2.5)
        assert bench.store.success_before(built[1]) is None


def test_successes_are_proven_pushed_and_trusted(bench: Bench) -> None:
    def built(commit: Sha, result: Digest, **more: Any) -> None:
        check = more.pop("check_only", False)
        bench.push(branch(commit, image("api", commit, check_only=check), **more))
        bench.succeed(bench.start(), result)

    built(sha(1), digest(1))
    built(sha(2), digest(2))
    built(sha(3), digest(3), trust=Trust.UNTRUSTED)
    built(sha(4), digest(4), check_only=True)
    bench.push(branch(sha(5), image("api", sha(5))))
    api, row_id = ImageKey("api"), bench.row.id
    assert [one.digest for one in bench.store.successes(row_id, api)] == [digest(2)]
    assert [one.digest for one in bench.store.successes(row_id, api, sha=sha(1))] == [digest(1)]
    (one,) = bench.store.successes(row_id, api, digest=digest(1))
    assert one.sha == sha(1)
    for commit in (sha(3), sha(4), sha(5)):
        assert bench.store.successes(row_id, api, sha=commit) == []
    assert bench.store.successes(row_id, ImageKey("web")) == []


def test_a_tag_that_a_build_asked_for_is_known(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])))
    assert not bench.store.tag_known("reg.example/api", "main")
    bench.succeed(bench.start(), digest(1))
    assert bench.store.tag_known("reg.example/api", "main")
    assert not bench.store.tag_known("reg.example/api", "prod")
    assert not bench.store.tag_known("reg.example/web", "main")
