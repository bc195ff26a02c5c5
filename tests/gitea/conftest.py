from __future__ import annotations

import os

# Its program is minutes in the making: `make test-gitea` builds it and runs these.
if os.environ.get("PUSHWRIGHT_GITEA") != "1":
    collect_ignore_glob = ["test_*.py"]
