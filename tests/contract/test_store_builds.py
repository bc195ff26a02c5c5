"""Builds: found or queued, admitted, moved, withdrawn."""

from __future__ import annotations

from bot.core.builds import BuildState
from bot.records import Move
from tests.contract.databases import Bench, branch, digest, head_tag, image, sha


def test_a_push_is_built_tagged_and_reported(bench: Bench) -> None:
    wish = branch(sha(1), image("api", sha(1), tags=[head_tag("main")]))
    applied = bench.push(wish)
    assert [(key, how) for key, _, how in applied.builds] == [("api", "new")]
    (build,) = bench.admit()
    assert (build.state, build.attempt) == (BuildState.STARTING, 1)
    build = bench.prove(build, digest(1))
    assert bench.store.build_tags_settled(build) == (False, ())
    assert bench.write_tags() == [f"reg.example/api:main@{digest(1)}"]
    assert bench.store.build_tags_settled(build) == (True, ())
    done = bench.store.move_build(build, Move(BuildState.SUCCEEDED), bench.tick())
    assert (done.state, done.digest) == (BuildState.SUCCEEDED, digest(1))
    (report,) = bench.store.due_reports(bench.tick(), 30.0, 10)
    assert report.claims[0].images[0].tagging == "settled"
