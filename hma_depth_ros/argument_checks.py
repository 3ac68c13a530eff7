"""What commands ask of their arguments before work: ranges of numbers, options that count."""

from __future__ import annotations

import argparse
import math

from hma_depth_ros.errors import HmaDepthError


def positive(text: str) -> float:
    """Type of an argument: a finite number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def not_negative(text: str) -> float:
    """Type of an argument: 0 or a finite number above it."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or a positive number")
    return value


def finite(text: str) -> float:
    """Type of an argument: any number but NaN and the infinities."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a number to count with")
    return value


def count(text: str) -> int:
    """Type of an argument: 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def count_or_none(text: str) -> int:
    """Type of an argument: 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return value


def goes_with(arguments: argparse.Namespace, option: str, *others: str) -> None:
    """Refuse an option that does nothing without one of some others.

    Args:
        arguments: of the command; an option that was not given is None or False.
        option: name of its value, such as `panel_count`.
        others: likewise.

    Raises:
        HmaDepthError: it was given, and none of the others.

    """
    given = {
        name for name, value in vars(arguments).items() if not (value is None or value is False)
    }
    if option in given and not given & set(others):
        named = " or ".join(map(option_name, others))
        raise HmaDepthError(
            f"{option_name(option)} goes with {named}, without which it does nothing"
        )


def option_name(name: str) -> str:
    """How a user writes the option whose value argparse calls `name`."""
    return f"--{name.replace('_', '-')}"
