"""Executables: one module per command, found by its file name, with a `main(argv) -> int`."""

from __future__ import annotations

# No more than this before the signals are taken over: the rest is imported where it is used.
import importlib
import sys
from collections.abc import Callable, Sequence

from hma_depth_ros import signals
from hma_depth_ros.errors import HmaDepthError, environment_error

#: ROS nodes, which a signal ends with status 0; any other command is interrupted.
NODES = frozenset({"accuracy_monitor", "depth_node", "record_bag", "replay_bag", "rig_node"})


#: Commands that may write the file that they read.
_IN_PLACE = frozenset({"record_depth_ranges"})


def command_names() -> list[str]:
    """Names of all commands, sorted."""
    import pkgutil

    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def _summary(name: str) -> str:
    import ast
    from pathlib import Path

    # Parsed, not imported: `--help` should not wait for torch.
    source = Path(__path__[0], f"{name}.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return docstring.partition("\n")[0]


def _usage() -> str:
    names = command_names()
    width = max(map(len, names), default=0)
    rows = "\n".join(f"  {name:{width}}  {_summary(name)}" for name in names)
    return f"usage: python3 -m hma_depth_ros COMMAND [ARGUMENT ...]\n\ncommands:\n{rows}"


def _print_usage() -> int:
    print(_usage())
    return 0


def run_command(name: str, argv: Sequence[str]) -> int:
    """Run one command; a `HmaDepthError` becomes one line on stderr and status 2."""

    def command() -> int:
        from hma_depth_ros.command_line import usable_arguments

        usable = usable_arguments(argv, in_place=name in _IN_PLACE)
        status: int = importlib.import_module(f"{__name__}.{name}").main(usable)
        return status

    return _guarded(name, command)


def _guarded(name: str, command: Callable[[], int]) -> int:
    try:
        status = command()
        if sys.stdout is not None:  # as it is where it was closed
            sys.stdout.flush()  # a full disk or a closed pipe is to be told here
    except HmaDepthError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # so rich ends it, with status 1
            return 0
        raise
    except (OSError, MemoryError, RuntimeError, UnicodeEncodeError) as error:
        message = environment_error(error)
        if message is None:
            raise
        print(f"{name}: {message}", file=sys.stderr)
        return 2
    return status


def run(argv: Sequence[str]) -> int:
    """Run `argv[0]` with the remaining arguments; without arguments print the list of commands."""
    from hma_depth_ros.terminal import print_whatever_it_takes

    print_whatever_it_takes()
    if not argv or argv[0] in {"-h", "--help"}:
        return _guarded("hma_depth_ros", _print_usage)
    name, names = argv[0], command_names()
    if name not in names:
        from difflib import get_close_matches

        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        print(f"no command '{name}'{hint}\n\n{_usage()}", file=sys.stderr)
        return 2
    return run_command(name, argv[1:])


def main(argv: Sequence[str] | None = None) -> int:
    """Run an executable from its first line to its last.

    Args:
        argv: command and arguments; by default those of a console script, whose own name is the
            command.

    """
    arguments = [sys.argv[0].rpartition("/")[2], *sys.argv[1:]] if argv is None else list(argv)
    name = arguments[0] if arguments else ""
    signals.take_over(name, is_node=name in NODES)
    try:
        status = run(arguments)
    except KeyboardInterrupt:
        return signals.finish(None)
    except Exception:
        if not signals.heard():
            raise
        return signals.finish(None)  # such as of worker processes, which heard the signal too
    return signals.finish(status)
