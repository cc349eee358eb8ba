"""A cohort's results so far: Parquet parts on disk that hold every result exactly once, whatever
stops the program.

A part is the file ``results/part-<weight set>-<first>-<last>-<digest>.parquet``: the first digits
of ``weight_set_sha256``, the numbers that the part covers, and the first digits of its own SHA-256.
``add`` writes a part with a number of its own, whole or not at all. ``gather`` writes one part for
the newest of these, and ``compact`` one for all; it replaces the parts that it covers as soon as it
has its name: they are removed, and ignored where their removal was interrupted. A run gathers on
the way and compacts once at its end, so that no result is written more than three times.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Literal, Self, get_args
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from nodulerisk.cohort.nodules import Key
from nodulerisk.errors import OutputError
from nodulerisk.files import write_table, written_whole
from nodulerisk.weights.card import WeightSet, card_values
from nodulerisk.weights.store import sha256_of

_Place = tuple[int, int]  # of a row: the last number that its part covers, and its number in it
Status = Literal["assessed", "refused", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)
Row = dict[str, Any]
FIXED = pa.schema(
    [
        ("case", pa.string()),
        ("nodule", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("attempts", pa.int64()),
        ("weight_set", pa.string()),
        ("weight_set_sha256", pa.string()),
        ("input_sha256", pa.string()),
        ("seconds", pa.float64()),
        ("assessment", pa.string()),
    ]
)
KEY = ("case", "nodule", "input_sha256")
DIGITS = 12
PART = re.compile(r"part-([0-9a-f]{12})-(\d+)-(\d+)-([0-9a-f]{12})\.parquet")
STAGED = ".partial-staged.parquet"
PARTIAL = ".partial-*"  # left behind when the program is killed
ROWS = 100  # rows read and written at a time: one MB


class StoreError(OutputError):
    """The folder's results cannot be used, or not for this purpose."""


def weight_set_sha256(weights: WeightSet) -> str:
    """Returns the hash of everything a set's answers depend on: its networks' hashes, the rest of
    its card, and the user's thresholds."""
    values = card_values(weights) | {"thresholds": weights.thresholds}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Part:
    """A file of results, and the numbers that it covers."""

    path: Path
    first: int
    last: int


class _Results:
    """The results of one weight set in a folder, to be read.

    A later result of a nodule, from another input, replaces the earlier one: that stays in its part
    until parts are merged, but is not read any more.

    Attributes:
        sha256: the set's ``weight_set_sha256``, or the digits of it that name its parts.
    """

    def __init__(self, folder: Path, sha256: str):
        self.sha256, self._folder = sha256, folder
        self._parts: list[_Part] = []
        # By key, in the order of the parts: the row's place, and its input.
        self._latest: dict[Key, tuple[_Place, str | None]] = {}
        self._replaced: set[_Place] = set()
        # The types of the columns of all parts.
        self._types: dict[str, pa.DataType] = {field.name: field.type for field in FIXED}

    @property
    def columns(self) -> list[str]:
        """The columns of any row, those of ``FIXED`` first."""
        return list(self._types)

    def _open_parts(self) -> None:
        """Finds the valid parts.

        Raises:
            StoreError: one cannot be read, or they hold a result twice.
        """
        for first, last, path in sorted(self._found(), key=lambda found: (found[0], -found[1])):
            if last <= self._last:
                self._leave_covered(path)
            elif path.name == self._name(first, last, _digest(path)):
                self._take(_Part(path, first, last))
            else:
                self._leave_damaged(path)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Yields all rows in the order in which they were added, all with the same columns, a batch
        at a time in memory.

        Args:
            columns: which to include; None: all that any row has.

        Raises:
            StoreError: a part was damaged since the folder was opened.
        """
        schema = self._schema()
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        for batch in self._batches(wanted, self._parts):
            yield from batch.to_pylist()

    def _leave_covered(self, path: Path) -> None:
        """Does with a part that a later one covers what the folder's owner does."""

    def _leave_damaged(self, path: Path) -> None:
        """Likewise with a part whose file is not the one that was written."""

    @property
    def _last(self) -> int:
        """Returns the highest number that a part covers."""
        return self._parts[-1].last if self._parts else 0

    def _name(self, first: int, last: int, digest: str) -> str:
        return f"part-{self.sha256[:DIGITS]}-{first:06}-{last:06}-{digest}.parquet"

    def _found(self) -> Iterator[tuple[int, int, Path]]:
        """Yields the first and last number and the file of every part of this weight set."""
        for path in self._folder.iterdir():
            if (name := PART.fullmatch(path.name)) and name[1] == self.sha256[:DIGITS]:
                yield int(name[2]), int(name[3]), path

    def _take(self, part: _Part) -> None:
        start = 0
        with _access_refused(part.path), pq.ParquetFile(part.path) as file:
            there = {*file.schema_arrow.names}
            for batch in file.iter_batches(ROWS, columns=[c for c in KEY if c in there]):
                rows = batch.to_pylist()
                self._refuse_twice(rows)
                self._note(rows, part.last, start)
                start += len(rows)
            self._meet(file.schema_arrow)
        self._parts.append(part)

    def _note(self, rows: Iterable[Row], last: int, start: int = 0) -> None:
        """Remembers the rows of a part from this one on; they replace earlier ones of their
        keys."""
        for number, row in enumerate(rows, start):
            if earlier := self._latest.pop(_key(row), None):
                self._replaced.add(earlier[0])
            self._latest[_key(row)] = (last, number), row.get("input_sha256")

    def _refuse_twice(self, rows: Iterable[Row]) -> None:
        seen = set()
        for row in rows:
            key = _key(row)
            latest = self._latest.get(key)
            if key in seen or (latest is not None and latest[1] == row.get("input_sha256")):
                raise StoreError(
                    f"{self._folder} would hold nodule {key[1]} of case {key[0]} twice: report"
                    " this."
                )
            seen.add(key)

    def _meet(self, schema: pa.Schema) -> None:
        """Gives every column a type that holds the values of all parts."""
        for field in schema:
            self._types[field.name] = _joint(self._types.get(field.name, pa.null()), field.type)

    def _schema(self) -> pa.Schema:
        return pa.schema(list(self._types.items()))

    def _batches(self, wanted: pa.Schema, parts: Iterable[_Part]) -> Iterator[pa.RecordBatch]:
        """Yields the latest rows of these parts, as batches of these columns."""
        for part in parts:
            number = count()
            with _access_refused(part.path), pq.ParquetFile(part.path) as file:
                there = {*file.schema_arrow.names}
                for batch in file.iter_batches(
                    ROWS, columns=[name for name in wanted.names if name in there]
                ):
                    places = ((part.last, next(number)) for _ in range(len(batch)))
                    kept = [place not in self._replaced for place in places]
                    yield _fitted(batch if all(kept) else batch.filter(pa.array(kept)), wanted)


class Store(_Results):
    """The results of one weight set in a folder, and its only writer until it is closed.

    A row is a dict with the columns of ``FIXED`` and any others: the result of one nodule, with its
    case and nodule as the key, and what it rests on as ``input_sha256``. Results of other weight
    sets, or with other thresholds, in the folder stay as they are.

    Attributes:
        weights: the weight set.
        remarks: what the user must know about the state of the folder, in words.
    """

    def __init__(self, folder: str | Path, weights: WeightSet):
        """Opens or creates the folder and verifies its contents; a damaged part is set aside.

        Raises:
            StoreError: another run is writing into it, or it holds a result twice.
            OutputError: it cannot be written.
        """
        super().__init__(Path(folder) / "results", weight_set_sha256(weights))
        self.weights = weights
        self.remarks: list[str] = []
        self._lock = _lock(self._folder)
        try:
            for partial in self._folder.glob(PARTIAL):
                _remove(partial)
            self._open_parts()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets other runs write into the folder."""
        self._lock.release()

    def done(self) -> set[Key]:
        """The keys of all results."""
        return set(self._latest)

    def inputs(self) -> dict[Key, str | None]:
        """What every result rests on; None: it was written before this was kept."""
        return {key: latest[1] for key, latest in self._latest.items()}

    @property
    def loose(self) -> int:
        """How many of the newest files hold one addition each; ``gather`` merges them into one."""
        newest = takewhile(lambda part: part.first == part.last, reversed(self._parts))
        return sum(1 for _ in newest)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes rows as one part; when it returns, they are on the disk.

        Raises:
            StoreError: a key exists already, from the same input; nothing is written.
            OutputError: the folder cannot be written; nothing is changed.
        """
        stamped: list[Row] = [{**row, "weight_set_sha256": self.sha256} for row in rows]
        self._refuse_twice(stamped)
        if not stamped:
            return
        table, number, path = _table(stamped), self._last + 1, None
        try:
            path = self._write(number, number, table.schema, [table])
        finally:
            if path := path or self._written(
                number, number
            ):  # an interrupt may come right after it is written
                self._parts.append(_Part(path, number, number))
                self._note(stamped, number)
                self._meet(table.schema)

    def gather(self) -> None:
        """Merges the loose parts into one, at a cost that does not grow with the older ones.

        Raises:
            StoreError, OutputError: as for ``compact``.
        """
        self._merge(self._parts[len(self._parts) - self.loose :])

    def compact(self) -> None:
        """Merges all parts into one.

        Raises:
            StoreError: a part was damaged since the folder was opened; nothing is changed.
            OutputError: the folder cannot be written; nothing is changed.
        """
        self._merge(self._parts)

    def _merge(self, parts: list[_Part]) -> None:
        """Writes one part in place of these, which are the newest or all."""
        if len(parts) < 2:
            return
        first, last, schema = parts[0].first, parts[-1].last, self._schema()
        path = self._write(first, last, schema, _in_groups(self._batches(schema, parts)))
        kept = self._parts[: len(self._parts) - len(parts)]
        self._parts = [*kept, _Part(path, first, last)]
        self._move({part.last for part in parts}, last)
        for part in parts:
            _remove(part.path)

    def _move(self, merged: Set[int], last: int) -> None:
        """Follows the rows of merged parts into the one that ends with this number."""
        row = count()
        self._latest = {
            key: ((last, next(row)) if place[0] in merged else place, known)
            for key, (place, known) in self._latest.items()
        }
        self._replaced = {place for place in self._replaced if place[0] not in merged}

    def export_csv(self, path: Path) -> None:
        """Writes all rows for a spreadsheet, without the assessments' JSON, and after them those of
        other weight sets and thresholds in the folder: see ``write_table``.

        Raises:
            OutputError: the file cannot be written.
        """
        every = [self, *self._others()]
        columns = dict.fromkeys(name for results in every for name in results.columns)
        del columns["assessment"]
        rows = (
            row
            for results in every
            for row in results.rows([name for name in results.columns if name in columns])
        )
        write_table(path, list(columns), rows)

    def _others(self) -> Iterator[_Results]:
        """Yields the results of other weight sets and thresholds in the folder."""
        names = filter(None, (PART.fullmatch(path.name) for path in self._folder.iterdir()))
        for digits in sorted({name[1] for name in names} - {self.sha256[:DIGITS]}):
            others = _Results(self._folder, digits)
            others._open_parts()
            yield others

    def _write(self, first: int, last: int, schema: pa.Schema, tables: Iterable[pa.Table]) -> Path:
        """Writes a part whole or not at all: its content is on the disk before it has its name, and
        its name before this returns."""
        staged = self._folder / STAGED
        with written_whole(staged) as partial:
            with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
                for table in tables:
                    writer.write_table(table)
            _to_disk(partial)
        path = self._folder / self._name(first, last, _digest(staged))
        with written_whole(path) as partial:
            os.replace(staged, partial)
        _to_disk(self._folder)
        return path

    def _written(self, first: int, last: int) -> Path | None:
        """Returns the part of these numbers, whatever its digest."""
        return next(self._folder.glob(self._name(first, last, "*")), None)

    def _leave_covered(self, path: Path) -> None:
        _remove(path)

    def _leave_damaged(self, path: Path) -> None:
        aside = path.with_name(f"_damaged-{uuid4().hex[:8]}-{path.name}")
        with _access_refused(path):
            os.replace(path, aside)
        self.remarks.append(
            f"{path.name} was damaged and is now {aside.name}: its nodules will be assessed again."
        )


def _lock(folder: Path) -> FileLock:
    """Returns a lock that the system holds until it is released or the process ends, in whatever
    way."""
    lock = FileLock(folder / ".lock", timeout=0, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"Another run is writing into {folder}: wait until it ends, or choose another folder."
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror}): choose another folder."
        ) from error
    return lock


def _key(row: Mapping[str, Any]) -> Key:
    return row["case"], row["nodule"]


def _table(rows: list[Row]) -> pa.Table:
    """Returns the fixed columns with their types, the others as they are."""
    if unknown := {row["status"] for row in rows} - {*STATUSES}:
        raise ValueError(f"unknown status: {unknown}")
    fixed = {
        field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in FIXED
    }
    others = dict.fromkeys(name for row in rows for name in row if name not in fixed)
    return pa.table(fixed | {name: _column([row.get(name) for row in rows]) for name in others})


def _column(values: list) -> pa.Array:
    """Returns a column of one type; text, if the values have several."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])


def _joint(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Returns a type that holds the values of both: text, if nothing else does."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    numbers = (pa.types.is_integer, pa.types.is_floating)
    are_numbers = all(any(is_one(t) for is_one in numbers) for t in (one, other))
    return pa.float64() if are_numbers else pa.string()


def _fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns the batch with these columns; missing ones are empty."""
    if batch.schema == schema:
        return batch
    there = {name: batch.column(name) for name in batch.schema.names}
    empty = pa.nulls(len(batch))
    return pa.record_batch(
        [there.get(field.name, empty).cast(field.type) for field in schema], schema=schema
    )


def _in_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yields small batches merged, so that they are compressed and read together."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _digest(path: Path) -> str:
    with _access_refused(path):
        return sha256_of(path)[:DIGITS]


def _to_disk(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk; Windows has no such wait for
    folders."""
    if os.name == "nt" and path.is_dir():
        return
    opened = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _access_refused(path: Path) -> Iterator[None]:
    """Turns the errors of reading a part into refusals."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "it was changed in the meantime"
        )
        raise StoreError(f"{path} cannot be read ({reason}): fix that and start again.") from error


def _remove(path: Path) -> None:
    with suppress(OSError):  # Windows, while someone reads it: ignored until then
        path.unlink()
