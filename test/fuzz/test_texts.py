"""Lists, configurations, definitions and metadata that are nearly right."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.parameter_types import ParameterError
from hma_depth_ros.training.config_file import config_from
from hma_depth_ros.training.run_config import TrainConfig

from .guard import survives
from .targets import TARGETS, bag_metadata, definition, metadata_seeds, split_list, training_yaml

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(["1e999", "nan", "-inf", "0x10", "1_000", "9" * 5000, "1e999999999"]),
)
WORDS = st.one_of(
    st.sampled_from(
        ["a/b.png", "None", "../../x.png", "/", ".", "..", "x.bin", "~", "a.", ".png", "C:\\a.png"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    NUMBERS.map(str),
)
#: Whatever YAML and JSON can hold.
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inside: st.one_of(
        st.lists(inside, max_size=4), st.dictionaries(st.text(max_size=8), inside, max_size=4)
    ),
    max_leaves=8,
)


@given(lines=st.lists(st.lists(WORDS, max_size=7).map(" ".join), max_size=4))
def test_a_list_of_any_words_is_answered(lines: list[str]):
    survives(lambda: split_list("\n".join(lines).encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize("name", ["calibration_file", "odometry", "timestamps", "oxts_file"])
@given(data=st.data())
def test_any_numbers_in_the_place_of_right_ones_are_answered(name: str, data: st.DataObject):
    lines = TARGETS[name].seeds()[0].decode().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    words = lines[number].split()
    if words:
        words[data.draw(st.integers(0, len(words) - 1))] = str(data.draw(NUMBERS))
    lines[number] = " ".join(words)
    survives(lambda: TARGETS[name].read("\n".join(lines).encode()))


SECTIONS = ("model", "data", "loss", "optimiser", "compute", "validation", "run", "crop")


@given(content=st.dictionaries(st.sampled_from([*SECTIONS, "extends", "camera"]), VALUES))
def test_a_configuration_of_any_values_is_answered(content: dict[str, Any]):
    survives(lambda: training_yaml(yaml.safe_dump(content).encode("utf-8", "surrogatepass")))


@given(data=st.data())
def test_a_key_of_any_value_is_answered(data: st.DataObject):
    """All other keys right, so that the value is looked at by all that follows."""
    from hma_depth_ros.training.initial_weights import model_config

    section = data.draw(st.sampled_from([s for s in SECTIONS if hasattr(TrainConfig(), s)]))
    key = data.draw(st.sampled_from(sorted(vars(getattr(TrainConfig(), section)))))
    value = data.draw(st.one_of(VALUES, NUMBERS))

    def read() -> None:
        config = config_from({section: {key: value}}, source="a test")
        model_config(config.model)

    survives(read)


TAGS = ["!!int x", "!!float ''", "!!bool x", "!!timestamp x", "2001-99-99", "!!python/none x", "*a"]


@given(
    parts=st.lists(
        st.sampled_from(["a: ", "- ", "&a ", "*a", "<<: ", "\n", "  ", "[", "]", "{", "}", *TAGS]),
        max_size=30,
    )
)
def test_pieces_of_yaml_are_answered(parts: list[str]):
    survives(lambda: training_yaml("".join(parts).encode()))
    survives(lambda: bag_metadata("".join(parts).encode()))


def _replaced(data: st.DataObject, content: Any) -> Any:
    """The value with one of its parts, at any depth, replaced."""
    if isinstance(content, dict) and content and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(content)))
        return {**content, key: _replaced(data, content[key])}
    if isinstance(content, list) and content and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(content) - 1))
        return [*content[:place], _replaced(data, content[place]), *content[place + 1 :]]
    return data.draw(st.one_of(VALUES, st.sampled_from([10**9, -1, 1e308, "9" * 99, [[]], {}])))


@pytest.mark.parametrize("name", ["checkpoint_metadata", "bag_metadata"])
@given(data=st.data())
def test_metadata_with_another_value_in_it_are_answered(name: str, data: st.DataObject):
    text = TARGETS[name].seeds()[0].decode()
    parse, write = (json.loads, json.dumps) if name == "checkpoint_metadata" else _YAML
    changed = _replaced(data, parse(text))
    survives(lambda: TARGETS[name].read(write(changed).encode("utf-8", "surrogatepass")))


_YAML = (yaml.safe_load, yaml.safe_dump)


@pytest.mark.parametrize("key", [*json.loads(metadata_seeds()[0])["model"], "input_width", "std"])
@given(value=st.one_of(VALUES, st.sampled_from([10**9, 65536, "hf-hub:someone/else"])))
def test_a_model_of_any_shape_is_answered(key: str, value: Any):
    content = json.loads(metadata_seeds()[0])
    content["model" if key in content["model"] else "preprocessing"][key] = value
    survives(lambda: TARGETS["checkpoint_metadata"].read(json.dumps(content).encode()))


@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(["uint8", "string", "std_msgs/Header", "Own", "a/B", "string<=5"]),
            st.sampled_from(["", "[]", "[3]", "[0]", "[4294967295]", "[<=4294967295]"]),
            st.sampled_from(["a", "self", "class", "A", "x" * 300]),
            st.sampled_from(["", "=1", "=1e999", ' "', "=__import__('os')", " [1, 2"]),
        ).map(lambda parts: f"{parts[0]}{parts[1]} {parts[2]}{parts[3]}"),
        min_size=1,
        max_size=4,
    )
)
def test_a_definition_of_any_fields_is_answered(lines: list[str]):
    survives(lambda: definition("\n".join(lines).encode()))


@given(data=st.data())
def test_a_parameter_of_any_value_is_taken_or_refused(data: st.DataObject):
    """Of any that ROS lets through, which has the parameter's type by then."""
    good = vars(DepthNodeParameters())
    name = data.draw(st.sampled_from(sorted(good)))
    kind = type(good[name])
    strategies: dict[type, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(),
        str: st.text(max_size=20),
        tuple: st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
    }
    value = data.draw(strategies[kind])
    try:
        DepthNodeParameters.check(name, value)
    except ParameterError as error:
        assert "\n" not in str(error)
        return
    values = DepthNodeParameters(**{**good, name: tuple(value) if kind is tuple else value})
    survives(values.network_region)
