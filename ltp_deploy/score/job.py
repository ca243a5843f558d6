"""A job's folder: OUTPUT.work, in which parts come together until the output is whole."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.directory import check_new_file, new_file
from ltp_deploy.codec import Malformed, from_json, to_json
from ltp_deploy.errors import LtpError
from ltp_deploy.score.parts import join_parts, part_name
from ltp_deploy.score.plan import Columns, Shard
from ltp_deploy.score.settings import Settings, differences
from ltp_deploy.score.shard import Done

JOB, PLAN, PARTS, DONE, REPLACED = "job.json", "plan.json", "parts", "done", "replaced"
_FORMAT = "ltp-deploy score job 1"


class Job:
    """An output that comes together.

    Attributes:
        output: the file or folder to be.
        folder: where the job lies until then.
        failed: the file beside the output with the rows that failed; there is none where none did.
        plan: the columns and the shards; None where no job has begun.
    """

    def __init__(self, output: Path, settings: Settings) -> None:
        self.output, self.settings = output, settings
        self.folder = output.with_name(f"{output.name}.work")
        self.failed = output.with_name(f"{output.name}.failed.jsonl")
        self.plan: tuple[Columns, list[Shard]] | None = self._read_plan()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no other process works on this job.

        Raises:
            LtpError: one does.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LtpError(f"another run writes {self.output} at this moment") from None
        except OSError:
            pass  # a file system without locks
        try:
            yield
        finally:
            with suppress(OSError):  # it is gone, or holds the job
                self.folder.rmdir()
            os.close(lock)

    def check(self, force: bool) -> None:
        """Refuse what would be lost.

        Args:
            force: replace an output that is there, and give up a job of other settings.

        Raises:
            LtpError: the output exists, or an unfinished job has other settings.
        """
        begun = self._begun()
        if begun is None:
            check_new_file(self.output, force)
        if self.output.exists() and self.output.is_dir() != self.settings.folder:
            is_, be = ("a folder", "a file") if self.output.is_dir() else ("a file", "a folder")
            raise LtpError(f"{self.output} is {is_}, and would be {be}; it will not be replaced")
        if begun is None or begun == to_json(self.settings):
            return
        if not force:
            changed = "; ".join(differences(begun, to_json(self.settings))) or "the same inputs"
            raise LtpError(
                f"{self.folder} holds an unfinished job with other settings: {changed}. Run it as "
                "it was begun, or give it up with --force"
            )
        shutil.rmtree(self.folder)
        self.plan = None

    def begin(self, columns: Columns, shards: Sequence[Shard]) -> None:
        """Write the plan, and then that the job has begun."""
        for name in (PARTS, DONE):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.plan = columns, list(shards)
        _write(
            self.folder / PLAN,
            {"columns": to_json(columns), "shards": [astuple(shard) for shard in shards]},
        )
        _write(self.folder / JOB, {"format": _FORMAT, "settings": to_json(self.settings)})

    def done(self) -> list[Done]:
        """Of the shards that are complete."""
        assert self.plan is not None
        found = [self.folder / DONE / f"{shard.number:06}.json" for shard in self.plan[1]]
        return [Done.read(path) for path in found if path.exists()]

    def give_up(self) -> None:
        """Remove the job, unless it has something to go on from."""
        if not any((self.folder / DONE).glob("*.json")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, done: Sequence[Done]) -> None:
        """Make the output of the parts, and remove the job's folder.

        Whenever this is cut off, the next run does it again.
        """
        assert self.plan is not None
        shards, parts = self.plan[1], self.folder / PARTS
        self._write_failures(shards, done)
        if self.settings.folder:
            if parts.exists():  # or else it was cut off after this
                with suppress(FileNotFoundError):
                    os.rename(self.output, self.folder / REPLACED)
                os.rename(parts, self.output)
        else:
            names = [part_name(shard.number, self.settings.format) for shard in shards]
            with new_file(self.output) as path:
                join_parts([parts / name for name in names], path, self.settings.format)
        shutil.rmtree(self.folder)

    def _write_failures(self, shards: Sequence[Shard], done: Sequence[Done]) -> None:
        if not any(each.failures for each in done):
            self.failed.unlink(missing_ok=True)
            return
        inputs = self.settings.inputs
        with new_file(self.failed) as path, path.open("w", encoding="utf-8") as file:
            for each in sorted(done, key=lambda each: each.number):
                shard = shards[each.number]
                for failure in each.failures:
                    entry = {
                        "row": shard.before + failure.row + 1,
                        "file": inputs[shard.file].path,
                        "row_in_file": shard.first + failure.row + 1,
                        "reason": failure.reason,
                    }
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _begun(self) -> Any:
        """The settings of the job that lies in the folder, None where none does.

        Raises:
            LtpError: something else lies there.
        """
        path = self.folder / JOB
        if path.exists():
            with suppress(ValueError):
                found = json.loads(path.read_bytes())
                if found["format"] == _FORMAT:
                    return found["settings"]
            raise LtpError(f"{path} is of another version, or damaged; remove {self.folder}")
        left = {entry.name.lstrip(".").split(".")[0] for entry in self._entries()}
        if left - {"plan", "job", PARTS, DONE, REPLACED}:
            raise LtpError(f"{self.folder} is in the way: it holds no job of `score`; remove it")
        return None

    def _entries(self) -> list[Path]:
        return list(self.folder.iterdir()) if self.folder.is_dir() else []

    def _read_plan(self) -> tuple[Columns, list[Shard]] | None:
        if not (self.folder / JOB).exists():
            return None
        try:
            found = json.loads((self.folder / PLAN).read_bytes())
            columns = from_json(Columns, found["columns"])
            return columns, [Shard(*each) for each in found["shards"]]
        except (OSError, ValueError, LookupError, TypeError, Malformed) as error:
            raise LtpError(f"{self.folder / PLAN} is damaged: {error}; remove the folder") from None


def _write(path: Path, document: Any) -> None:
    with new_file(path) as new:
        new.write_text(json.dumps(document))
