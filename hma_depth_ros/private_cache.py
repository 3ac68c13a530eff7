"""The package's cache, in which nobody else can put anything, for what is run as it lies there.

A converted network or a compiled kernel is a program. A checksum beside it tells damage, but not
who has written both; who may write into the folder does.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError

#: Names the folder that replaces the default one.
VARIABLE = "HMA_DEPTH_CACHE"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> Path:
    """`$HMA_DEPTH_CACHE`, else `hma_depth_ros` in `$XDG_CACHE_HOME` or `~/.cache`.

    Raises:
        HmaDepthError: that is in a home folder, and the user has none (a service without HOME).

    """
    try:
        if chosen := os.environ.get(VARIABLE):
            return Path(chosen).expanduser()
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "hma_depth_ros"
    except RuntimeError as error:
        raise HmaDepthError(f"there is no folder for the cache: {error}") from error


def private_cache(*below: str) -> Path:
    """The cache's folder, or one in it, made and seen to be the user's alone.

    Raises:
        HmaDepthError: it cannot be, or others can change what is in it.

    """
    cure = f"set {VARIABLE} to a folder of your own"
    try:
        folder = cache_folder()
    except HmaDepthError as error:
        raise HmaDepthError(f"{error}; {cure}") from error
    return private_folder(folder.joinpath(*below), cure=cure)


def private_folder(folder: Path, *, cure: str) -> Path:
    """The folder, made if it is not there, without links on the way to it.

    Args:
        folder: to be used.
        cure: what to do where it cannot be, for the error.

    Raises:
        HmaDepthError: it cannot be made, or somebody else can write into it, or put another in its
            place.

    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = folder.resolve(strict=True)
        problem = _problem(real) or next(filter(None, map(_problem_above, real.parents)), None)
    except (OSError, RuntimeError) as error:  # RuntimeError of links that lead in a circle
        reason = getattr(error, "strerror", None) or error
        raise HmaDepthError(f"cannot make {folder}: {reason}; {cure}") from error
    if problem:
        raise HmaDepthError(f"{folder} is not used, since {problem}; {cure}")
    return real


def _problem(folder: Path) -> str | None:
    """How somebody else can change what lies in a folder; None if only its user and root can."""
    status = folder.stat()
    if status.st_uid not in (os.geteuid(), 0):
        return f"{folder} belongs to {_user(status.st_uid)}"
    writers = status.st_mode & _OTHERS_WRITE
    if writers == stat.S_IWGRP and _is_own_group(status.st_gid):
        return None
    return f"others may write into {folder} (chmod go-w mends that)" if writers else None


def _problem_above(folder: Path) -> str | None:
    """The same of a folder around it, of which /tmp is none: its folders stay their owners'."""
    return None if folder.stat().st_mode & stat.S_ISVTX else _problem(folder)


def _user(number: int) -> str:
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"


def _is_own_group(number: int) -> bool:
    """Whether a group is the user's private one, as most Linux systems give each user."""
    if number != os.getegid():
        return False
    try:
        members = set(grp.getgrgid(number).gr_mem)
    except KeyError:
        members = set()
    members |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == number}
    try:
        return members <= {pwd.getpwuid(os.geteuid()).pw_name}
    except KeyError:
        return not members
