"""GitLab's words for events and what they are to us.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "Push Hook": "push",
    "Tag Push Hook": "tag_push",
    "Merge Request Hook": "merge_request",
    "Note Hook": "note",
    "Confidential Note Hook": "note",
    "Release Hook": "release",
}
"""The `X-Gitlab-Event` header and the `object_kind` that its body has."""

SYSTEM_HOOK: Final = "System Hook"
"""The header of every hook of an instance; what it is stands in the body alone.

https://docs.gitlab.com/administration/system_hooks/
"""

BOT_LOGIN: Final = re.compile(r"(?:project|group)_\d+_bot(?:_?[0-9a-f]+|\d*)")
"""The users that GitLab makes for project and group access tokens; events do not mark them.

https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects
"""

ON_A_LINE: Final = "DiffNote"
"""The `type` of a note on a line of the changes."""

PUBLIC: Final = 20
"""`visibility_level` of what anybody may read (10 is for signed-in users, 0 private)."""
