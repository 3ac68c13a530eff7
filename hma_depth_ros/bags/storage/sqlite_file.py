"""SQLite files of rosbag2, of all versions of its tables.

A database can hold more than data: views, virtual tables and computed columns run when they are
read, and can run for ever. And any column can hold a value of any type. Both are refused.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np

from hma_depth_ros.bags.recorded_qos import recorded_qos
from hma_depth_ros.bags.storage.storage_file import Channel, Definition, Stamps, StoredMessage


class SqliteFile:
    """A .db3 file, open for reading; see `Storage`."""

    cut_short: str | None = None  # SQLite keeps its files whole; of others see `salvage`

    def __init__(self, path: Path) -> None:
        """Open a file and find out what it holds.

        Raises:
            sqlite3.Error: not such a file, or one that is damaged.
            ValueError: one that holds something else than data.

        """
        self._database = _connected(path)
        try:
            _check_tables(self._database)
            self.channels = self._channels()
            ((first, last),) = self._database.execute(
                "SELECT MIN(timestamp), MAX(timestamp) FROM messages"
            )
        except BaseException:
            self._database.close()
            raise
        self.span = None if first is None else (_whole(first), _whole(last))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def messages(
        self, channels: Collection[int], start: int | None, stop: int | None
    ) -> Iterator[StoredMessage]:
        """See `Storage`.

        Raises:
            sqlite3.Error: the file is damaged.
            ValueError: likewise.

        """
        conditions, values = _among(channels)
        for bound, sign in ((start, ">="), (stop, "<")):
            if bound is not None:
                conditions += f" AND timestamp {sign} ?"
                values.append(bound)
        rows = self._database.execute(
            f"SELECT timestamp, topic_id, data FROM messages WHERE {conditions} "
            "ORDER BY timestamp, id",
            values,
        )
        return (
            StoredMessage(_whole(stamp), _whole(number), _of_type(data, bytes))
            for stamp, number, data in rows
        )

    def stamps(self, channels: Collection[int]) -> Stamps:
        """See `Storage`.

        Raises:
            sqlite3.Error: the file is damaged.
            ValueError: likewise.

        """
        conditions, values = _among(channels)
        rows = self._database.execute(
            f"SELECT timestamp FROM messages WHERE {conditions}",
            values,
        )
        return np.array([_whole(stamp) for (stamp,) in rows], np.int64)

    def _channels(self) -> list[Channel]:
        definitions = {
            _text(row["topic_type"]): Definition(
                _text(row["encoding"]), _text(row["encoded_message_definition"])
            )
            for row in self._rows("message_definitions")
        }
        counts = dict(
            self._database.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id")
        )
        return [
            Channel(
                id=_whole(row["id"]),
                topic=_text(row["name"]),
                type=_text(row["type"]),
                encoding=_text(row["serialization_format"]),
                definition=definitions.get(row["type"], Definition("", "")),
                digest=_text(row.get("type_description_hash", "")),
                qos=recorded_qos(row.get("offered_qos_profiles", "")),
                count=counts.get(row["id"], 0),
            )
            for row in self._rows("topics", needed=True)
        ]

    def _rows(self, table: str, *, needed: bool = False) -> list[dict[str, Any]]:
        """Rows of a table, which older files may lack, as do some columns."""
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        if not needed and self._database.execute(known, [table]).fetchone() is None:
            return []
        cursor = self._database.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def salvage(source: Path, target: Path) -> int:
    """Copy the rows that can be read of a damaged file, such as one that was copied in part.

    Returns:
        Number of messages.

    Raises:
        sqlite3.Error: not even its tables can be read.
        ValueError: it holds something else than data.

    """
    with (
        closing(sqlite3.connect(_address(source, "immutable=1"), uri=True)) as damaged,
        closing(sqlite3.connect(target)) as whole,
    ):
        # Without it SQLite opens no file that lacks pages at its end.
        damaged.execute("PRAGMA writable_schema = ON")
        _check_tables(damaged)
        whole.execute("PRAGMA journal_mode = OFF")
        count = 0
        for name in reversed(_TABLES):
            columns = [row[1] for row in damaged.execute(f"PRAGMA table_info({name})")]
            if not columns:
                continue
            quoted = ", ".join('"{}"'.format(column.replace('"', '""')) for column in columns)
            whole.execute(f"CREATE TABLE {name} ({quoted})")
            rows = damaged.execute(f"SELECT {quoted} FROM {name} NOT INDEXED")
            places = ", ".join("?" for _ in columns)
            count = 0
            while (row := _next(rows)) is not None:
                if name == "messages" and None in row:  # of a page that is not there
                    break
                whole.execute(f"INSERT INTO {name} VALUES ({places})", row)
                count += 1
        whole.commit()
        return count


def _next(rows: Iterator[Any]) -> Any | None:
    """Next row; None behind the last that can be read."""
    try:
        return next(rows, None)
    except sqlite3.DatabaseError:
        return None


def _address(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{mode}"


def _connected(path: Path) -> sqlite3.Connection:
    # What a recorder that was killed left in the write-ahead log is read too, where the folder
    # allows for it.
    for mode in ("mode=ro", "immutable=1"):
        database = sqlite3.connect(_address(path, mode), uri=True, check_same_thread=False)
        try:
            database.execute("SELECT name FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            database.close()
            if mode == "immutable=1":
                raise
        except BaseException:
            database.close()
            raise
        else:
            return database
    raise AssertionError


#: Those that are read; all but `messages` and `topics` may be missing.
_TABLES = ("messages", "topics", "message_definitions")
_DECLARED = "SELECT type, sql FROM sqlite_master WHERE name = ? COLLATE NOCASE"
#: Of a column in PRAGMA table_xinfo: it is stored, not computed.
_STORED = 0


def _check_tables(database: sqlite3.Connection) -> None:
    """See that reading the tables reads stored rows and does nothing else.

    Raises:
        ValueError: one is a view or a virtual table, or has computed columns.

    """
    for name in _TABLES:
        kinds = database.execute(_DECLARED, [name])
        for kind, statement in kinds:
            plain = kind == "table" and re.match(r"CREATE\s+TABLE\b", str(statement), re.IGNORECASE)
            columns = database.execute(f"PRAGMA table_xinfo({name})").fetchall() if plain else []
            if not plain or any(column[-1] != _STORED for column in columns):
                raise ValueError(f"'{name}' is not a table of stored rows")


T = TypeVar("T")


def _of_type(value: Any, kind: type[T]) -> T:
    """A value that a column of rosbag2's holds in that type.

    Raises:
        ValueError: it is of another one.

    """
    if not isinstance(value, kind):
        raise ValueError(f"a column holds {type(value).__name__} in place of {kind.__name__}")
    return value


def _whole(value: Any) -> int:
    return _of_type(value, int)


def _text(value: Any) -> str:
    return _of_type(value, str)


def _among(channels: Collection[int]) -> tuple[str, list[int]]:
    values = sorted(channels)
    return f"topic_id IN ({', '.join('?' for _ in values)})", values
