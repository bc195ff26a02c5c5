"""The keys of `.pushwright.yaml`, version 1: these and no others."""

from __future__ import annotations

from bot.core import fieldtext
from bot.core.centraltext import pattern
from bot.core.forms import ByShape, Choice, Flag, Key, Listing, Named, Record, Text, Whole
from bot.core.imagekeys import CACHE, FLAVOR, IMAGE, NEED, RESOURCES, SECRET
from bot.core.repoconfig import COMMENT_MODES, CommentMode
from bot.core.templatetext import Templated
from bot.core.triggerkeys import ON_RECORD, PUSH_RULE, REQUEST_RULE, nothing_written

MOST_IMAGES = 100

SUBMODULES = Key("submodules", Flag(), "Fetch submodules.", "`false`")
LFS = Key("lfs", Flag(), "Fetch files of Git LFS.", "`false`")
CHECKOUT = Record("checkout", (SUBMODULES, LFS))
GROUP = Key(
    "group",
    Templated("name", fieldtext.group),
    "Builds of one group wait for one another.",
    "one per ref and image",
)
LIMIT = Key(
    "limit", Whole(1, 100), "How many builds of the repository run at once.", "the central config's"
)
CANCEL = Key(
    "cancel-in-progress",
    Flag(),
    "A new head ends the build of the one before.",
    "true for pull requests, false for branches and tags",
)
CONCURRENCY = Record("concurrency", (GROUP, LIMIT, CANCEL))
COMMENT_MODE: Choice[CommentMode] = Choice(COMMENT_MODES)

VERSION = Key("version", Whole(1, 1), "The version of this format.", required=True)
DEFAULTS = Key(
    "defaults",
    IMAGE,
    "What every image has unless it says otherwise. `args`, `labels` and "
    "`annotations` are joined by name, every other key is replaced.",
    "none",
)
IMAGES = Key(
    "images",
    Named(
        Text("image key", fieldtext.image_key, pattern=fieldtext.IMAGE_KEY.pattern),
        ByShape("mapping", mapping=IMAGE, nothing=nothing_written),
        most=MOST_IMAGES,
        least=1,
    ),
    "The images by key. The key stands in statuses (`pushwright/<key>`) and commands.",
    required=True,
)
CHECKOUT_KEY = Key("checkout", CHECKOUT, "What is fetched besides the commit.", "none of it")
CONCURRENCY_KEY = Key("concurrency", CONCURRENCY, "Which builds wait or give way.", "see there")
COMMENT: Key[CommentMode] = Key(
    "comment", COMMENT_MODE, "When a comment on the pull request is written.", "`on-change`"
)

ALLOW = Key(
    "allow",
    Listing(Text("pattern of tags", pattern), alone=True, most=50),
    "Tags that `/promote` may give to a built image; the default branch's file counts.",
    required=True,
)
PROMOTE = Record("promote", (ALLOW,))
PROMOTE_KEY = Key("promote", PROMOTE, "What `/promote` may do.", "nothing")

REPOSITORY_FILE = Record(
    "file",
    (VERSION, DEFAULTS, IMAGES, CHECKOUT_KEY, CONCURRENCY_KEY, COMMENT, PROMOTE_KEY),
    later=frozenset({"inputs", "policy", "commands", "notify"}),
    renamed={"image": "here it is images, a mapping by key", "builds": "here it is images"},
)
RECORDS = (
    REPOSITORY_FILE,
    IMAGE,
    ON_RECORD,
    PUSH_RULE,
    REQUEST_RULE,
    SECRET,
    NEED,
    FLAVOR,
    CACHE,
    RESOURCES,
    CHECKOUT,
    CONCURRENCY,
    PROMOTE,
)
