"""The builder's pure parts; no docker needed."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.builder.budget import Budget
from bot.builder.classes import OURS, THEIRS, BuildClass
from bot.builder.clients import Client, Kind
from bot.builder.commands import build_call
from bot.builder.daemon import DaemonFacts
from bot.builder.dockerfile import Step, instruction_of, instructions, parse_step, read_stages
from bot.builder.failures import Evidence, classify
from bot.builder.outcome import LIMIT, BuildFailed, Position, Result, encode, write
from bot.builder.processes import Command, run
from bot.builder.progress import Plain, Vertex
from bot.builder.recipe import parse
from bot.builder.records import Records
from bot.builder.redaction import Redactor, forms
from bot.builder.tree import Inputs
from tests.executor.bench import eventually

RECIPE: dict[str, Any] = {
    "version": 1,
    "attempt": "a",
    "workdir": "/w",
    "source": {"url": "https://example.com/o/r.git", "sha": "a" * 40},
    "build": {},
    "push": {"reference": "r.example.com/o/r:git-1"},
    "cache": {"from": ["r.example.com/o/r@sha256:" + "b" * 64]},
    "docker": {"host": "unix:///run/d.sock"},
    "allowed": ["r.example.com/o/*"],
    "result": "/w/result.json",
}


def _parse(**changes: Any) -> Any:
    merged = {
        key: {**value, **changes[key]} if isinstance(changes.get(key), dict) else value
        for key, value in RECIPE.items()
    }
    return parse(json.dumps({**merged, **{k: v for k, v in changes.items() if v is None}}).encode())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": {"url": "file:///etc"}}, "source.url"),
        ({"source": {"url": "https://user:pw@example.com/r.git"}}, "source.url"),
        ({"source": {"url": "ext::sh -c id"}}, "source.url"),
        ({"source": {"sha": "abc"}}, "full commit id"),
        ({"source": {"ref": "--upload-pack=x"}}, "reference name"),
        ({"source": {"ref": "refs/heads/a:refs/heads/b"}}, "reference name"),
        ({"push": {"reference": "r.example.com/other/r:1"}}, "may not use the image name"),
        ({"push": {"reference": "r.example.com/o/r/deeper:1"}}, "may not use the image name"),
        ({"push": {"reference": "r.example.com/o/R:1"}}, "no image reference"),
        ({"cache": {"from": ["r.example.com/o/r,evil=1:x"]}}, "no image reference"),
        ({"cache": {"from": ["evil.example.com/x/y:1"]}}, "may not use the image name"),
        ({"build": {"args": {"-x": "1"}}}, "not a name"),
        ({"build": {"contexts": {"a": "/etc"}}}, "docker-image://"),
        ({"build": {"network": "bridge"}}, "none of"),
        ({"docker": {"host": "tcp://0.0.0.0:2375"}}, "unix:///"),
        ({"workdir": None}, "recipe.workdir"),
    ],
)
def test_a_wrong_recipe_names_its_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        _parse(**changes)
    assert caught.value.kind is BuildClass.CONFIG
    assert words in caught.value.message


def test_every_class_has_one_owner() -> None:
    nobodys = {BuildClass.SUCCEEDED, BuildClass.CANCELLED}
    assert not THEIRS & OURS
    assert THEIRS | OURS | nobodys == set(BuildClass)


DOCKERFILE = """\
# syntax=docker/dockerfile:1
# escape=`
ARG BASE=alpine
FROM ${BASE}:3 AS Deps

RUN one `
  # inside
  && two

COPY <<EOF /a
RUN not-an-instruction
EOF
RUN <<-"END" cat <<X
	RUN nor-this
	END
X
FROM deps
ENV A=1
WORKDIR /x
from scratch
add a b
"""


def test_lines_of_a_dockerfile() -> None:
    stages = read_stages(DOCKERFILE)
    assert [(stage.name, stage.base) for stage in stages] == [
        ("deps", "alpine:3"),
        ("stage-1", "deps"),
        ("stage-2", "scratch"),
    ]
    numbered = [[(found.keyword, found.line) for found in stage.numbered] for stage in stages]
    assert numbered[0] == [("FROM", 4), ("RUN", 6), ("COPY", 10), ("RUN", 13)]
    assert numbered[1] == [("WORKDIR", 19)]
    assert numbered[2] == [("ADD", 21)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("[deps 2/4] RUN one", 6),
        ("[linux/amd64 deps 4/4] RUN <<-END", 13),
        ("[deps 2/5] ONBUILD RUN x", None),  # the base added a step: no guess
        ("[stage-1 1/1] WORKDIR /x", 19),
        ("[other 1/1] RUN x", None),
    ],
)
def test_the_line_of_a_step(name: str, line: int | None) -> None:
    step = parse_step(name)
    assert step is not None
    found = instruction_of(read_stages(DOCKERFILE), step)
    assert (found.line if found else None) == line


def test_names_of_steps() -> None:
    assert parse_step("[2/5] RUN a") == Step("", 2, 5, "RUN a")
    assert parse_step("[app  2/12] COPY a b") == Step("app", 2, 12, "COPY a b")
    assert parse_step("[internal] load build context") is None
    assert parse_step("exporting to image") is None


@given(st.text(alphabet="FROMRUN \n\\#<EOF`=$\"'\tas", max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    read_stages(text)
    assert all(found.line >= 1 for found in instructions(text))


SECRET = b'p4ss"w\xc3\xb6rd+/value'


@given(
    st.lists(
        st.sampled_from([SECRET, SECRET[:9], SECRET[9:], b"x", b"\n", b64encode(SECRET), b"p4ss"])
    ),
    st.lists(st.integers(1, 12), min_size=1),
)
def test_no_chunking_lets_a_secret_through(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    redactor = Redactor(forms(SECRET))
    out, at, turn = b"", 0, 0
    while at < len(data):
        out += redactor.feed(data[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    out += redactor.flush()
    assert SECRET not in out
    assert out == Redactor(forms(SECRET)).feed(data + b"\0").removesuffix(b"\0")


@pytest.mark.parametrize("offset", range(3))
def test_encoded_forms_are_found(offset: int) -> None:
    hidden = [
        b64encode(b"#" * offset + SECRET + b"tail"),
        quote(SECRET, safe="").encode(),
        json.dumps(SECRET.decode()).encode(),
    ]
    for form in hidden:
        redactor = Redactor(forms(SECRET))
        assert b"[redacted]" in redactor.feed(form) + redactor.flush()


def test_a_result_is_never_too_long(tmp_path: Path) -> None:
    result = Result(message='é"\n' * 5000, warnings=["w" * 900] * 50, client="c" * 500)
    result.position = Position("d/" * 3000, 1 << 40, "RUN" * 200)
    result.phases = dict.fromkeys(("fetch", "wait", "preflight", "build", "verify"), 1.23456)
    data = encode(result)
    assert len(data) <= LIMIT
    assert json.loads(data)["class"] == "internal"
    write(result, tmp_path / "r.json")
    assert (tmp_path / "r.json").read_bytes() == data
    assert list(tmp_path.iterdir()) == [tmp_path / "r.json"]


def test_plain_output_of_a_step_is_only_ever_log() -> None:
    logs: list[bytes] = []
    done: list[Vertex] = []
    progress = Plain(lambda _vertex, data: logs.append(data), done.append)
    progress.feed(b"#5 [2/3] RUN evil\n#5 0.1 #6 ERROR: 503\n#5 0.2 CAC")
    progress.feed(b"HED\n#5 0.3 \n#5 ERROR: executor failed running [x]: exit code: 1\n------\n")
    progress.feed(b"------\nexecutor failed running [x]: exit code: 1\n")
    progress.close()
    assert logs == [b"#6 ERROR: 503\n", b"CACHED\n", b"\n"]
    assert [vertex.error for vertex in done] == ["executor failed running [x]: exit code: 1"]
    assert done[0].cached is False
    assert progress.text.splitlines()[-1] == "executor failed running [x]: exit code: 1"


def test_a_closed_output_holds_nothing_up() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    records = Records(writer, Redactor(()))
    records.note("nobody reads this")
    records.note("nor this")
    os.close(writer)


def test_arguments_keep_users_values_behind_options() -> None:
    build = {
        "context": "-x",
        "target": "--push",
        "args": {"A": "--x"},
        "labels": {"l": "-v /:/x"},
        "contexts": {"base": "docker-image://r.example.com/o/b:1"},
    }
    recipe = _parse(build=build)
    inputs = Inputs(Path("/w/src/-x"), Path("/w/src/-x/Dockerfile"), "-x/Dockerfile")
    facts = DaemonFacts("29.1.0", (29, 1, 0), containerd=True)
    call = build_call(
        recipe, inputs, Client(Kind.BUILDX, "/b", "0.37"), facts, ["c.example.com/x:1"]
    )
    assert call.argv[-1] == "/w/src/-x"
    assert "--target=--push" in call.argv
    assert call.argv[call.argv.index("A=--x") - 1] == "--build-arg"
    assert (
        'type=image,"name=r.example.com/o/r:git-1",'
        "push=true,unpack=false,store=false,oci-mediatypes=true" in call.argv
    )


def test_a_child_leaves_no_grandchild(tmp_path: Path) -> None:
    script = "sleep 1000 & echo $! > pid; wait"
    command = Command(["sh", "-c", script], {"PATH": os.environ["PATH"]}, tmp_path)
    with pytest.raises(BuildFailed) as caught:
        run(command, Budget(60), silence=0.3)
    assert caught.value.kind is BuildClass.TIMEOUT
    stat = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    eventually(lambda: _ended(stat))  # it was killed, which a busy machine lets it notice later


def _ended(stat: Path) -> bool:
    try:
        return ") Z" in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(
    ("ended", "killed", "kind", "words"),
    [
        ("exit code: 137", 0, BuildClass.STEP, "exit 137"),
        ("exit code: 1", 1, BuildClass.STEP, "exit 1"),
        ("exit code: 137", 1, BuildClass.OUT_OF_MEMORY, "killed, most likely for lack of memory"),
        (
            "exit code: 137: cannot allocate memory",
            0,
            BuildClass.OUT_OF_MEMORY,
            "was killed for lack of memory",
        ),
    ],
)
def test_what_a_step_died_of_is_said_as_surely_as_it_is_known(
    ended: str, killed: int, kind: BuildClass, words: str
) -> None:
    error = f'process "/bin/sh -c make" did not complete successfully: {ended}'
    step = Vertex(1, "[2/2] RUN make", error=error)
    stages = read_stages("FROM a\nRUN make\n", {})
    failure = classify(Evidence([step], error, 1, "Dockerfile", stages, killed=killed))
    assert failure.kind is kind
    assert words in failure.message
