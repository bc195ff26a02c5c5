"""An App that `pushwright setup github` registered, with the lines that it wrote and no others."""

from __future__ import annotations

from pathlib import Path

from bot.core.ids import HostKind
from bot.core.reports_comment import MARKER
from tests.scenarios.apps import set_up
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, opened


def test_it_is_spoken_to_by_its_name_and_knows_itself_after_a_rename(tmp_path: Path) -> None:
    with opened(HostKind.GITHUB, tmp_path) as world:
        app = set_up(world)
        talk = Talk(world).people()
        world.push(FILES)
        sha = world.push("services/api/main.py", "topic")
        request = world.request("topic")
        world.run()
        comment = talk.say(f"@{app.slug} build api", request)
        world.run()
        assert world.ran("api").count(sha) == 2
        reactions = world.host.reactions(world.repository, comment.id)
        assert ("rocket", f"{app.slug}[bot]") in reactions

        former, app.slug, app.person.login = app.slug, "renamed", "renamed[bot]"
        world.restart()
        world.push("services/api/main.py", "topic")
        world.run()
        said = world.host.comments(world.repository, request.number)
        assert [one.author.login for one in said if one.body.startswith(MARKER)] == ["renamed[bot]"]
        world.configure(commands={"bots": ["renamed[bot]"]})
        runs = len(world.runs())
        talk.say(f"@{former} build api", request, by="renamed[bot]")
        world.run()
        assert world.reasons()[0] == ("ignored", "our own comment")
        assert len(world.runs()) == runs
