"""`check-config`: every mistake with its place."""

from __future__ import annotations

from pathlib import Path

from tests.commands.running import (
    Ended,
    run,
)


def test_a_good_file_is_ok(two: Path) -> None:
    assert run("check-config", two) == Ended(0, "ok: 2 images: api, web\n", "")


def test_all_mistakes_of_a_file_with_their_places(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("version: 1\nimages:\n  api:\n    targt: a\n    tags: ['type=semvr']\n")
    ended = run("check-config", file)
    assert (ended.code, ended.out) == (1, "")
    first, second, summary = ended.err.splitlines()
    assert first.startswith(f"{file}:4:5: ")
    assert first.endswith("(did you mean target?)")
    assert second.startswith(f"{file}:5:")
    assert summary == "2 mistakes"


def test_a_central_config_and_the_files_that_it_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of many characters")
    file = tmp_path / "central.yaml"
    file.write_text(
        "version: 1\npublic-url: https://b.test\nsources:\n  gl:\n    kind: gitlab\n"
        "    token-file: secret\n    webhook-secret-files: [missing]\n"
        "repositories: [{match: 'acme/*'}]\ndefaults: {registry: reg.test}\n"
        "registries:\n  reg.test: {bot-auth-file: both.json, pod-auth-file: both.json}\n"
    )
    ended = run("check-config", file)
    assert (ended.code, ended.out) == (1, "")
    assert f"{tmp_path}/missing" in ended.err
    assert ended.err.count("/both.json: ") == 1, "what two keys name is said once"
    assert "source gl" in ended.err
    (tmp_path / "missing").write_text("a secret of many characters")
    (tmp_path / "both.json").write_text("{}")
    good = run("check-config", file)
    assert good.code == 0, good.err
    assert good.out.startswith("ok: 1 source, 1 repository rule")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = run("check-config", tmp_path / "none")
    assert (ended.code, ended.err) == (
        1,
        f"{tmp_path}/none: it can't be read: No such file or directory\n",
    )
