"""Which file system a path lies on: SQLite's WAL needs shared memory and honest locks, and the
file systems below give neither (https://www.sqlite.org/wal.html, point 2 of its disadvantages).
"""

from __future__ import annotations

import re
from pathlib import Path

NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.cephfs",
        "fuse.glusterfs",
        "fuse.juicefs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "prl_fs",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
    }
)
"""File system types, as /proc/self/mountinfo names them, that a database file is refused on."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system(mountinfo: str, path: str) -> str | None:
    """The type of the file system that holds the absolute `path`; None where nothing covers it.

    `mountinfo` is the text of /proc/self/mountinfo (format: proc(5)); later lines hide earlier ones
    on the same mount point.
    """
    best, kind = -1, None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4])
        covers = path == point or path.startswith(point.rstrip("/") + "/")
        if covers and len(point) >= best:
            best, kind = len(point), after.split(" ", 1)[0]
    return kind


def refusal(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Why a SQLite database must not lie at `path`; None where it may, or where nobody can tell
    (no /proc: not Linux)."""
    try:
        text = mountinfo.read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    kind = file_system(text, str(path.resolve()))
    if kind not in NETWORK:
        return None
    return (
        f"{path} lies on a {kind} file system, where SQLite loses or corrupts data: "
        "put it on a local disk (in Kubernetes a block volume, ReadWriteOncePod), or set "
        "PUSHWRIGHT_DATABASE_URL to a PostgreSQL database"
    )
