"""A `TrainConfig` from a preset, a YAML file and `key=value`, each on top of the one before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.structured_text import MalformedTextError, parse_yaml

if TYPE_CHECKING:
    from hma_depth_ros.training.run_config import TrainConfig

#: In a file: the preset that it changes.
EXTENDS = "extends"
_PRESETS = files("hma_depth_ros.training") / "presets"


def preset_names() -> list[str]:
    """Names of all presets, sorted; those that only serve others begin with an underscore."""
    names = sorted(Path(file.name).stem for file in _PRESETS.iterdir() if _is_yaml(file.name))
    return [name for name in names if not name.startswith("_")]


def load_config(
    *,
    preset: str | None = None,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    found: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Build and check a configuration.

    Args:
        preset: one of `preset_names`.
        file: YAML of the same shape; its key `extends` may name the preset instead.
        found: sections that follow from data, on top of the preset and below all else.
        overrides: such as `model.scales=3`; the value is read as YAML.

    Raises:
        HmaDepthError: no such preset or file, an unknown key (the nearest valid one is named), or a
            value of the wrong type or range.

    """
    from hma_depth_ros.training.run_config import TrainConfig

    content: dict[str, Any] = {} if preset is None else _preset(preset)
    content = _merged(content, found or {})
    if file is not None:
        own = _parse(read_text(file, "the configuration"), str(file))
        base = own.pop(EXTENDS, None)
        if base is not None and preset is not None and base != preset:
            raise HmaDepthError(f"{file} extends '{base}', not '{preset}'; leave --preset out")
        content = _merged(content if base is None else _preset(str(base)), own)
        _check_keys(content, TrainConfig, str(file))
    for override in overrides:
        content = _merged(content, _override(override))
        _check_keys(content, TrainConfig, f"'{override}'")
    return config_from(content, source=str(file or preset or "the configuration"))


def config_from(content: Mapping[str, Any], *, source: str) -> TrainConfig:
    """Check a mapping and turn it into a configuration.

    Raises:
        HmaDepthError: as `load_config`, beginning with the source.

    """
    from hma_depth_ros.training.run_config import TrainConfig

    _check_keys(content, TrainConfig, source)
    try:
        return TypeAdapter(TrainConfig).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(part for part in first["loc"] if isinstance(part, str))
        key += "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
        raise HmaDepthError(f"{source}: {key}: {first['msg']}, not {first['input']!r}") from None


def to_yaml(config: TrainConfig) -> str:
    """Text that `load_config` reads back to an equal configuration."""
    from hma_depth_ros.training.run_config import TrainConfig

    plain = TypeAdapter(TrainConfig).dump_python(config, mode="json")
    return yaml.safe_dump(plain, sort_keys=False)


def write_config(path: Path, config: TrainConfig) -> None:
    """Write the whole configuration.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    with atomic_path(path) as temporary:
        temporary.write_text(to_yaml(config), encoding="utf-8")


def _is_yaml(name: str) -> bool:
    return Path(name).suffix == ".yaml"


def _preset(name: str) -> dict[str, Any]:
    file = _PRESETS / f"{name}.yaml"
    if not file.is_file():
        near = get_close_matches(name, preset_names(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise HmaDepthError(f"no preset '{name}'{hint} There are: {', '.join(preset_names())}")
    own = _parse(file.read_text(encoding="utf-8"), name)
    base = own.pop(EXTENDS, None)
    return own if base is None else _merged(_preset(base), own)


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        content = parse_yaml(text)
    except MalformedTextError as error:
        raise HmaDepthError(f"{source} is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise HmaDepthError(f"{source} does not hold sections such as 'model:' and 'data:'")
    return content


def _override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise HmaDepthError(f"'{text}' is not of the form section.key=value")
    try:
        content = parse_yaml(value)
    except MalformedTextError as error:
        raise HmaDepthError(f"'{text}': the value is not YAML: {error}") from error
    for part in reversed(key.strip().split(".")):
        content = {part: content}
    return content


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _check_keys(content: Mapping[str, Any], cls: type, source: str, prefix: str = "") -> None:
    """Refuse keys that no section has, naming the nearest one that some section has."""
    from hma_depth_ros.training.run_config import TrainConfig

    types = get_type_hints(cls)
    for key, value in content.items():
        path = f"{prefix}{key}"
        if key not in types:
            near = get_close_matches(path, _all_keys(TrainConfig), n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(types)}"
            raise HmaDepthError(f"{source}: unknown key '{path}'; {hint}")
        if dataclasses.is_dataclass(types[key]) and value is not None:
            if not isinstance(value, dict):
                raise HmaDepthError(f"{source}: '{path}' is a section of keys, not {value!r}")
            _check_keys(value, types[key], source, f"{path}.")  # type: ignore[arg-type]


def _all_keys(cls: Any, prefix: str = "") -> list[str]:
    keys = []
    for name, kind in get_type_hints(cls).items():
        keys.append(f"{prefix}{name}")
        if dataclasses.is_dataclass(kind):
            keys += _all_keys(kind, f"{prefix}{name}.")
    return keys
