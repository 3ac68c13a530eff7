"""Arguments as shells leave them: empty, with `~` not expanded, addresses in place of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError

#: Where ROS's own arguments begin, which are none of paths.
_ROS = "--ros-args"
#: Shells expand `~/x` but neither '~/x' nor, most of them, --option=~/x and key=~/x.
_HOME = re.compile(r"((?:-*[\w.-]+=)?)(~(?=/)|~$)", re.ASCII)
#: Options that name a file to be written.
_WRITTEN = (
    *("--output", "--json", "--csv", "--problems", "--report", "--sparsification-plot"),
    *("--list", "--save", "--screenshot"),
)
_URL = re.compile(r"(?:-*[\w.-]+=)?(?P<url>(?:https?|ftp|file|s3|gs|hf|ssh|sftp)://\S*)", re.ASCII)


def usable_arguments(argv: Sequence[str], *, in_place: bool = False) -> list[str]:
    """Arguments of a command with the user's folder in place of `~`.

    Args:
        argv: without the command's name.
        in_place: whether the command may write the file that it reads.

    Raises:
        HmaDepthError: one is empty, which would be taken for the folder that one is in, is an
            address, which no command opens, or is a file to be written that is to be read, too.

    """
    count = argv.index(_ROS) if _ROS in argv else len(argv)
    usable = [_usable(argument) for argument in argv[:count]]
    if not in_place:
        _check_outputs(usable)
    return [*usable, *argv[count:]]


def _check_outputs(argv: Sequence[str]) -> None:
    written: list[tuple[str, Path]] = []
    read: list[Path] = []
    before = ""
    for argument in argv:
        option, equals, value = argument.partition("=")
        if not equals:
            option, value = before, argument
        if option in _WRITTEN:
            written.append((option, Path(value)))
        else:
            read.append(Path(value))
        before = argument
    for option, output in written:
        if output.is_file() and any(path.is_file() and path.samefile(output) for path in read):
            raise HmaDepthError(
                f"{option} would replace {output}, which is to be read, too; name another file"
            )


def _usable(argument: str) -> str:
    if not argument or re.fullmatch(r"--[\w-]+=", argument):
        where = f"{argument[:-1]} is" if argument else "an argument is"
        raise HmaDepthError(f"{where} empty; is it a variable of the shell that is not set?")
    if found := _URL.fullmatch(argument):
        raise HmaDepthError(
            f"{found['url']} is an address; files are read from disk: download it and name the file"
        )
    home = _HOME.match(argument)
    if home is None or argument.endswith("=~"):  # `key=~` is YAML for nothing
        return argument
    return home[1] + str(Path.home()) + argument[home.end() :]
