"""Message definitions of a bag, each by itself: one that is odd spoils no other."""

from __future__ import annotations

import re
from dataclasses import replace
from threading import Lock
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from hma_depth_ros.bags.storage.storage_file import Channel, Definition
from hma_depth_ros.bags.typestore import TYPESTORE
from hma_depth_ros.errors import one_line
from hma_depth_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    POINT_CLOUD,
    TF_MESSAGE,
)

#: What separates and heads the files of an IDL definition, as rosbag2 and Foxglove join them.
_IDL_FILE = re.compile(r"^=+\nIDL: .*\n", re.MULTILINE)
#: Types whose messages the tools look into.
_DECODED = (IMAGE, COMPRESSED_IMAGE, CAMERA_INFO, POINT_CLOUD, TF_MESSAGE)
_LANGUAGES = ("ros2msg", "ros2idl", "omgidl")
#: Elements of a fixed array of strings or messages, and of numbers.
_MOST_UNROLLED, _MOST_NUMBERS = 1_000, 1 << 24
_MESSAGE_TYPE = re.compile(r"\w+/msg/\w+")


class DefinitionError(Exception):
    """Why a type cannot be used."""


def as_in_ros_2(channel: Channel) -> Channel:
    """The channel with its type named as in ROS 2.

    Writers of MCAP other than rosbag2 have `std_msgs/String`, or `std_msgs::msg::String` of IDL.
    """
    name = channel.type.replace("::", "/")
    if channel.definition.format in _LANGUAGES and re.fullmatch(r"\w+/\w+", name):
        name = name.replace("/", "/msg/")
    return replace(channel, type=name)


def reason_to_leave_out(channel: Channel) -> str | None:
    """Why a channel holds no ROS 2 messages; None if it does."""
    if channel.encoding != "cdr":
        return f"{channel.encoding or 'unknown'} messages, not ROS 2's"
    if not channel.type:
        return "messages without a type"
    if "/srv/" in channel.type:
        return f"events of a service ({channel.type})"
    if "/action/" in channel.type:
        return f"messages of an action ({channel.type})"
    if not _MESSAGE_TYPE.fullmatch(channel.type):
        return f"{channel.type} is no message type"
    return None


class _ForeignError(DefinitionError):
    """A definition that can be used, of another type than its name says."""


class Definitions:
    """Type stores by definition, made when they are needed."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Definition, str], Typestore | DefinitionError] = {}
        self._lock = Lock()  # rosbags makes a module of a definition, always of the same name

    def typestore(self, channel: Channel) -> Typestore:
        """What decodes the messages of a channel: its own definition, else the standard one.

        Raises:
            DefinitionError: there is none that can be used, saying why.

        """
        key = (channel.type, channel.definition, channel.digest)
        with self._lock:
            if key not in self._made:
                try:
                    self._made[key] = _typestore(*key)
                except DefinitionError as error:
                    self._made[key] = error
            made = self._made[key]
        if isinstance(made, DefinitionError):
            raise made
        return made


def _typestore(type_name: str, definition: Definition, digest: str) -> Typestore:
    standard = type_name in TYPESTORE.types
    problem = f"{type_name} is no standard message, and the bag does not define it"
    if definition.text.strip():
        try:
            return _defined(type_name, definition, digest)
        except DefinitionError as error:
            problem = f"the bag's definition of {type_name} cannot be used: {error}"
            standard = standard and not isinstance(error, _ForeignError)
    if standard and digest in ("", TYPESTORE.hash_rihs01(type_name)):
        return TYPESTORE
    raise DefinitionError(problem)


def _defined(type_name: str, definition: Definition, digest: str) -> Typestore:
    try:
        types = _parsed(type_name, definition)
        _check_arrays(types)
        types |= _standard_parts(types)
        store = get_typestore(Stores.EMPTY)
        store.register(types)
        store.generate_msgdef(type_name, ros_version=2)  # as a copy of the bag needs it
        found = store.hash_rihs01(type_name)
    except DefinitionError:
        raise
    except Exception as error:  # the parsers stumble over whatever a file says
        reason = one_line(error)[:60]
        raise DefinitionError(reason) from error
    if digest and found != digest:
        raise DefinitionError("it is of another version of the type than the messages")
    if type_name in _DECODED:
        return _named_as_usual(type_name, store)
    return store


def _named_as_usual(type_name: str, store: Typestore) -> Typestore:
    """A type that is read here must have its fields, if by other names (ROS 1's D for d).

    Raises:
        DefinitionError: it has others.

    """
    own, usual = (s.fielddefs[type_name][1] for s in (store, TYPESTORE))
    if [name for name, _ in own] == [name for name, _ in usual]:
        return store
    if [kind for _, kind in own] != [kind for _, kind in usual]:
        raise _ForeignError("its fields are not those of ROS 2")
    return TYPESTORE


def _parsed(type_name: str, definition: Definition) -> dict[str, Any]:
    if definition.format == "ros2msg":
        return dict(get_types_from_msg(definition.text, type_name))
    if definition.format not in _LANGUAGES:
        raise DefinitionError(f"it is in {definition.format or 'an unknown language'}")
    if "<<" in definition.text:  # 1 << 99999999999 is a number of 12 GB
        raise DefinitionError("it computes with <<")
    types: dict[str, Any] = {}
    for text in _IDL_FILE.split(definition.text):
        if text.strip():
            types |= get_types_from_idl(text)
    return types


def _check_arrays(types: dict[str, Any]) -> None:
    """See that reading a message takes no longer than its bytes make it.

    rosbags writes out a line of code for each element of a fixed array of strings or messages, and
    nothing at all limits how many elements without a size a sequence can have.

    Raises:
        DefinitionError: an array of no elements, or of too many.

    """
    for _, fields in types.values():
        for name, (node, content) in fields:
            if node != Nodetype.ARRAY:
                continue
            (part, kind), length = content
            unrolled = part == Nodetype.NAME or kind[0] == "string"
            if not 0 < length <= (_MOST_UNROLLED if unrolled else _MOST_NUMBERS):
                raise DefinitionError(f"its array {name} has {length} elements")


def _standard_parts(types: dict[str, Any]) -> dict[str, Any]:
    """Standard messages that `types` contain without defining them, as some converters write them.

    Raises:
        DefinitionError: a part is neither defined nor standard.

    """
    added: dict[str, Any] = {}
    waiting = list(types)
    while waiting:
        for _, kind in {**types, **added}[waiting.pop()][1]:
            part = _part_of(kind)
            if part is None or part in types or part in added:
                continue
            if part not in TYPESTORE.fielddefs:
                raise DefinitionError(f"it has a part {part}, which is not defined")
            added[part] = TYPESTORE.fielddefs[part]
            waiting.append(part)
    return added


def _part_of(kind: Any) -> str | None:
    """Message type that a field has, or has an array of; None for numbers and strings."""
    node, content = kind
    if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        node, content = content[0]
    return str(content) if node == Nodetype.NAME else None
