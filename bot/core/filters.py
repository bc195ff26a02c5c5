"""Whether a ref or a set of changed files wants an image, and why in words for people.

The rules are GitHub's: a branch push is held against `branches`, a tag push against `tags`; where
only one kind is given the other never matches; `paths` never apply to tags. Given both, a file
counts that `paths` takes and `paths-ignore` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.globs import glob, last_match
from bot.core.repoconfig import PathFilter, PushRule, RefFilter, RequestRule


@dataclass(frozen=True, slots=True)
class Verdict:
    matched: bool
    why: str

    def __bool__(self) -> bool:
        return self.matched


def branch_matches(rule: PushRule | None, branch: str, default_branch: str | None) -> Verdict:
    """Whether pushes to `branch` want the image."""
    if rule is None:
        return Verdict(False, "`on` does not name push")
    if rule.default_branch_only:
        if default_branch is None:
            return Verdict(False, "the repository has no default branch")
        said = "is" if branch == default_branch else "is not"
        return Verdict(branch == default_branch, f"{branch} {said} the default branch")
    return _ref(rule.branches, rule.tags, branch, ("branch", "branches"), "tags")


def tag_matches(rule: PushRule | None, tag: str) -> Verdict:
    """Whether the pushed tag wants the image."""
    if rule is None:
        return Verdict(False, "`on` does not name push")
    other = "the default branch" if rule.default_branch_only else "branches"
    return _ref(rule.tags, rule.branches, tag, ("tag", "tags"), other)


def request_matches(rule: RequestRule | None, target: str, *, draft: bool) -> Verdict:
    """Whether pull/merge requests into `target` want the image."""
    if rule is None:
        return Verdict(False, "`on` does not name pull_request")
    if draft and not rule.drafts:
        return Verdict(False, "drafts are not built (`drafts: false`)")
    nothing = RefFilter()
    return _ref(rule.branches, nothing, target, ("target branch", "branches"), "")


def _ref(
    own: RefFilter, other: RefFilter, name: str, words: tuple[str, str], other_words: str
) -> Verdict:
    kind, key = words
    if not own.given:
        if other.given:
            return Verdict(False, f"`on` names only {other_words}, not {key}")
        return Verdict(True, f"every {kind}")
    if own.include:
        taken = last_match(map(glob, own.include), name)
        if taken is not None:
            return Verdict(True, f"{key} {taken.text} matched {name}")
        return Verdict(False, f"{kind} {name} matches none of {_listed(own.include)}")
    ignored = last_match(map(glob, own.ignore), name)
    if ignored is not None:
        return Verdict(False, f"{key}-ignore {ignored.text} matched {name}")
    return Verdict(True, f"{kind} {name} is not ignored")


def paths_match(changed: Sequence[str] | None, rule: PathFilter) -> Verdict:
    """Whether a change of these files affects the image. None: what changed is not known."""
    if not rule.given:
        return Verdict(True, "no paths are named, every change counts")
    if changed is None:
        return Verdict(True, "which files changed is not known")
    include = [glob(pattern) for pattern in rule.include]
    ignore = [glob(pattern) for pattern in rule.ignore]
    covered = None
    for file in changed:  # pushes of thousands of files: the first that counts is enough
        taken = last_match(include, file)
        if include and taken is None:
            continue
        if last_match(ignore, file) is None:
            said = f"paths {taken.text} matched {file}" if taken else f"{file} is not ignored"
            return Verdict(True, said)
        covered = covered or file
    if covered is not None:
        listed = _listed(rule.ignore)
        return Verdict(False, f"not affected: paths-ignore {listed} covers {covered}")
    which = _under(rule.include) if changed else "changed"
    return Verdict(False, f"not affected: no file {which}")


def _under(patterns: Sequence[str]) -> str:
    """`under services/api` where every pattern is a plain folder, else `matches …`."""
    folders = [pattern.removesuffix("/**") for pattern in patterns if pattern.endswith("/**")]
    if len(folders) == len(patterns) and not any(set(one) & set("!*?+[\\") for one in folders):
        return f"under {_listed(folders)}"
    return f"matches {_listed(patterns)}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
