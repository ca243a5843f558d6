"""The work on one shard: read its rows, answer them, write a part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.directory import new_file
from ltp_deploy.codec import from_json, to_json
from ltp_deploy.data.texts import Text
from ltp_deploy.errors import BundleError, InputError, LtpError
from ltp_deploy.runtime.engine import load
from ltp_deploy.score.answers import answer, answer_schema
from ltp_deploy.score.inputs import kind
from ltp_deploy.score.parquet_file import ParquetRows, values
from ltp_deploy.score.parts import by_row, part_name, write_part
from ltp_deploy.score.plan import Columns, Shard
from ltp_deploy.score.rows import Row, Rows, text_of
from ltp_deploy.score.settings import Answering
from ltp_deploy.score.text_files import TextFile


@dataclass(frozen=True)
class Task:
    """All that a worker needs to know, on whatever machine.

    Attributes:
        digest: of the bundle, as `bundle_digest` gives it.
        folder: of the job, in which parts and records are written.
        threads: of one worker; `throughput` as `load` has it.
    """

    bundle: Path
    digest: str
    files: tuple[Path, ...]
    columns: Columns
    format: str
    folder: Path
    answering: Answering
    threads: int | None = None
    throughput: bool = False

    def part(self, number: int) -> Path:
        return self.folder / "parts" / part_name(number, self.format)

    def record(self, number: int) -> Path:
        """The file that says that a shard is done; it is written last."""
        return self.folder / "done" / f"{number:06}.json"


@dataclass(frozen=True)
class Failure:
    """A row without an answer; `row` is its place in the shard."""

    row: int
    reason: str


@dataclass(frozen=True)
class Done:
    """What became of a shard.

    Attributes:
        tokens: that were read of its texts.
    """

    number: int
    rows: int
    tokens: int
    failures: tuple[Failure, ...]

    @classmethod
    def read(cls, path: Path) -> Done:
        return from_json(cls, json.loads(path.read_bytes()))


class Worker:
    """Answers shards with a bundle that it opens once. Files are kept open, since the next shard
    usually lies behind the last one."""

    def __init__(self, task: Task) -> None:
        """
        Raises:
            LtpError: the bundle cannot be opened, or is another one than the job began with.
        """
        self.task = task
        given = task.answering
        self.engine = load(
            task.bundle,
            threads=task.threads,
            throughput=task.throughput,
            long_texts=given.long_texts,
            stride=given.stride,
            pruning=given.pruning,
        )
        if self.engine.digest != task.digest:
            raise BundleError(f"{task.bundle} is another bundle than the one the job began with")
        self._schema = answer_schema(self.engine.config, self.engine.long.windows)
        self._open: tuple[int, TextFile | ParquetRows] | None = None

    def score(self, shard: Shard) -> Done:
        """Write the shard's part and then its record, unless it is done already.

        Raises:
            LtpError: a file was changed or damaged; the engine failed.
        """
        task, record = self.task, self.task.record(shard.number)
        if record.exists():
            return Done.read(record)
        rows = self._read(shard)
        prompt = task.answering.prompt_name
        answers, tokens = answer(self.engine, rows.texts, rows.failures, prompt)
        with new_file(task.part(shard.number)) as path:
            names = task.columns.kept
            write_part(path, task.format, rows.kept, names, answers, self._schema)
        failures = tuple(Failure(row, why) for row, why in sorted(rows.failures.items()))
        done = Done(shard.number, shard.rows, tokens, failures)
        with new_file(record) as path:
            path.write_text(json.dumps(to_json(done)))
        return done

    def _read(self, shard: Shard) -> Rows:
        file = self._file(shard)
        if isinstance(file, ParquetRows):
            table = file.read(shard.first, shard.rows)
            texts = {name: values(table[name]) for name in self.task.columns.texts}
            return self._rows([Row(row) for row in by_row(texts)], table)
        file.skip_to(shard.offset)
        rows = list(islice(file, shard.rows))
        if len(rows) < shard.rows:
            raise LtpError(f"{file.path} was changed: {shard.rows - len(rows)} rows are missing")
        return self._rows(rows, [row.values for row in rows])

    def _rows(self, rows: list[Row], kept: Any) -> Rows:
        texts: list[Text | None] = []
        failures: dict[int, str] = {}
        for i, row in enumerate(rows):
            try:
                if row.failure:
                    raise InputError(row.failure)
                self._check_names(row)
                texts.append(text_of(row.values, self.task.columns.texts))
            except InputError as error:
                failures[i] = str(error)
                texts.append(None)
        return Rows(texts, failures, kept)

    def _check_names(self, row: Row) -> None:
        """Refuse a row of JSON that has a name of the answers."""
        if self.task.columns.kept is None:
            for name in self._schema.names:
                if name in row.values:
                    raise InputError(f"`{name}` is the name of an answer; leave it out with --keep")

    def _file(self, shard: Shard) -> TextFile | ParquetRows:
        """The shard's file, at a place that does not lie behind it."""
        if self._open is not None:
            number, file = self._open
            if number == shard.file and (
                isinstance(file, ParquetRows) or file.position <= shard.offset
            ):
                return file
            file.close()
        path, columns = self.task.files[shard.file], self.task.columns
        if kind(path) == ".parquet":
            names = dict.fromkeys([*columns.texts, *(columns.kept or ())])
            file = ParquetRows(path, list(names))
        else:
            file = TextFile(path)
        self._open = shard.file, file
        return file
