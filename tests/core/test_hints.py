"""Deliveries of our own: what is written is read again, and nothing else is."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bot.core.events import CommentCreated, Malformed, Person
from bot.core.hints import Found, read, read_found, write_found
from bot.core.ids import RepositoryId, SourceName
from tests.core.scene import REPOSITORY

FOUND = Found(
    SourceName("forge"), RepositoryId(1), 70, 7, "/build ü\r\n", 5, "ada", False, 1.5, True
)


def test_a_comment_that_was_found_is_what_its_webhook_would_have_told() -> None:
    found = read_found(write_found(FOUND))
    assert found == FOUND
    assert isinstance(found, Found)
    ada = Person(5, "ada")
    told = CommentCreated(
        REPOSITORY, ada, 70, "/build ü\r\n", number=7, created_at=1.5, internal=True
    )
    assert found.event(REPOSITORY) == told


@given(st.binary(max_size=40))
def test_what_is_no_delivery_of_ours(body: bytes) -> None:
    assert isinstance(read_found(body), Malformed)
    assert isinstance(read(body), Malformed)


def test_a_comment_that_lacks_something() -> None:
    whole = json.loads(write_found(FOUND))
    for name in whole:
        lacking = {key: value for key, value in whole.items() if key != name}
        assert isinstance(read_found(json.dumps(lacking).encode()), Malformed)
