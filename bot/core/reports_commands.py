"""What people read when they command: why a line is refused. `start`: what commands begin with at
the source, so that what people read they can write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.core.commands import TABLE, Option, Place, Spec
from bot.core.ids import Role
from bot.core.mistakes import nearest, show

INVISIBLE: Final = (
    "the line holds invisible or direction-changing characters, so that readers may see another "
    "command; type it anew"
)
OPEN_QUOTE: Final = "a quote is not closed"
SHORT_SHA: Final = (
    "an approval names all 40 digits of the commit: a short id can be made to fit another commit"
)
REF_ON_REQUEST: Final = "branch: and tag: are for comments on commits; here the head counts"
ONE_REF: Final = "name one branch: or tag:"

_PLACES: Final = {
    Place.REQUEST: "pull and merge requests",
    Place.COMMIT: "commits",
}
_IN_THE_FILE: Final = {
    "platform": "an image is built for the platform that its `platforms` in the file names; push a "
    "commit that changes it",
    "push-as": "tags come from `tags` in the file; {start}promote gives a built image more of them",
    "pull": "bases are asked for anew with --no-cache",
}

_BUILDING: Final = ("build", "rebuild", "retest")


def comment_too_long(limit: int) -> str:
    return f"commands are read in comments of up to {limit} characters"


def line_too_long(limit: int) -> str:
    return f"a command has at most {limit} characters"


def too_many(limit: int, more: int) -> str:
    """`more` commands were left out."""
    rest = "1 more was left out" if more == 1 else f"{more} more were left out"
    return f"a comment may hold {limit} commands; {rest}"


def no_command(word: str, meant: str | None, start: str) -> str:
    known = ", ".join(f"{start}{spec.name}" for spec in TABLE)
    hint = f"did you mean {start}{meant}?" if meant else f"there are {known}"
    return f"there is no command {show(word)}; {hint}"


def not_here(spec: Spec, place: Place, start: str) -> str:
    where = " and ".join(_PLACES[one] for one in spec.places)
    return f"{start}{spec.name} works on {where}, not on {_PLACES[place]}"


def usage(spec: Spec, start: str) -> str:
    return f"write {spec.written(start)}"


def left_over(spec: Spec, word: str, start: str) -> str:
    return f"{show(word)} is too much; {usage(spec, start)}"


def no_option(spec: Spec, name: str, value: str | None, start: str) -> str:
    known = [option.name for option in spec.options]
    if spec.name in _BUILDING and name.lower() in _IN_THE_FILE:
        why = _IN_THE_FILE[name.lower()].format(start=start)
        return f"{start}{spec.name} takes no --{name.lower()}: {why}"
    if spec.name in _BUILDING and value is not None and not nearest(name, known):
        return (
            f"{show(name)} can't be set in a comment: build arguments are `args` in the file, so "
            "that a commit has one meaning; push a commit that changes them"
        )
    takes = f"it takes {', '.join(f'--{one}' for one in known)}" if known else "it takes none"
    return f"{start}{spec.name} has no option {show(name)}; {nearest(name, known) or takes}"


def takes_no_value(option: Option) -> str:
    return f"--{option.name} stands alone, without a value"


def wants_number(option: Option) -> str:
    return f"{option.name} is a number from 1 to 200: {option.name}=50"


def empty_ref(kind: str) -> str:
    return f"{kind}: names nothing; write {kind}:<name> without a space"


def no_name(word: str) -> str:
    return f"{show(word)} is no name of an image"


def no_image(word: str, images: Sequence[str]) -> str:
    if not images:
        return f"there is no image {show(word)}: none is configured"
    hint = nearest(word, images)
    names = ", ".join(sorted(images)[:20])
    return f"there is no image {show(word)}; {f'{hint} ' if hint else ''}there are {names}"


def name_an_image(spec: Spec, start: str) -> str:
    return f"name one image: {spec.written(start)}"


def no_glob(spec: Spec, start: str) -> str:
    return f"{start}{spec.name} takes one image by its name, no pattern"


def no_sha(word: str) -> str:
    return f"{show(word)} is no commit id; write the head's 40 hexadecimal digits, or nothing"


def no_source(word: str) -> str:
    return (
        f"{show(word)} names no built image; write api, api:main, api@sha256:… or api@ and a "
        "commit's 40 digits"
    )


def no_tag(word: str) -> str:
    return f"{show(word)} is no tag: letters, digits, _ . and -, at most 128"


def role_needed(spec: Spec, need: Role, role: Role, start: str, *, author: bool) -> str:
    """Why somebody may not. `need`: after the administrator's table."""
    own = ", or being the author of the request" if author else ""
    have = "no access" if role is Role.NONE else f"{role} access"
    return f"{start}{spec.name} needs {need} access{own}; you have {have}"


OVERTAKEN: Final = (
    "the Git host's webhook of this comment was lost, and by the time that it was found a later "
    "comment here had been handled: say it again if it still holds"
)


def too_old(limit: float) -> str:
    """`limit`: seconds."""
    return (
        f"the comment is more than {limit / 3600:.0f} hours old and could not be handled before; "
        "much may have changed since: say it again"
    )
