"""`score`: from inputs to an output, going on where an earlier run was interrupted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import bundle_digest
from ltp_deploy.errors import LtpError, needs
from ltp_deploy.progress import Progress
from ltp_deploy.runtime.encoding import with_prompt
from ltp_deploy.score.answers import answer_schema
from ltp_deploy.score.inputs import find_files
from ltp_deploy.score.job import Job
from ltp_deploy.score.local import run_local
from ltp_deploy.score.plan import Columns, Shard, cut, find_columns
from ltp_deploy.score.ray_workers import run_ray
from ltp_deploy.score.settings import Answering, Input, Reading, Settings, output_format
from ltp_deploy.score.shard import Done, Task


@dataclass(frozen=True)
class Workers:
    """Who works. It changes nothing about the answers.

    Attributes:
        workers: processes, or actors; None for as many as there are cores, each with one thread.
        threads: of all processes together; None for all cores.
        throughput: whether a process with several threads computes several batches side by side.
        ray: the address of a Ray cluster, "local" for one that lives as long as the job, None for
            processes on this machine.
    """

    workers: int | None = None
    threads: int | None = None
    throughput: bool = False
    ray: str | None = None


@dataclass(frozen=True)
class Scored:
    """What became of a job.

    Attributes:
        failed: rows without an answer; `failed_file` has them with their reasons.
        tokens: that were read of all texts.
        seconds, new_rows, new_tokens: of this run, where an earlier one has done a part.
    """

    output: str
    rows: int
    tokens: int
    failed: int
    failed_file: str | None
    seconds: float
    new_rows: int
    new_tokens: int


@dataclass
class _Count:
    """Rows and tokens of this run."""

    progress: Progress
    begin: float = field(default_factory=time.monotonic)
    rows: int = 0
    tokens: int = 0

    def add(self, done: Done) -> None:
        self.rows, self.tokens = self.rows + done.rows, self.tokens + done.tokens
        seconds = max(self.seconds, 1e-9)
        self.progress.tell(
            rows_per_second=f"{self.rows / seconds:,.0f}",
            tokens_per_second=f"{self.tokens / seconds:,.0f}",
        )
        self.progress.update(done.rows)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begin


def score(
    bundle: Path,
    inputs: Sequence[str],
    output: Path,
    reading: Reading | None = None,
    answering: Answering | None = None,
    workers: Workers | None = None,
    format: str | None = None,
    force: bool = False,
) -> Scored:
    """Write the rows of all inputs, in their order, with the bundle's answers beside them.

    Until the output is whole its parts lie in OUTPUT.work; a run that finds them there, of the same
    settings, goes on.

    Args:
        inputs: files, folders and patterns.
        format: of an output that is a folder.
        force: replace an output that is there, and give up an unfinished job of other settings.

    Raises:
        LtpError: the inputs cannot be read, or do not agree; the output exists, or an unfinished
            job has other settings; a worker cannot go on.
    """
    with needs("scoring data sets takes pyarrow", "score"):
        import pyarrow  # noqa: F401
    reading, answering = reading or Reading(), answering or Answering()
    kind, folder = output_format(output, format)
    output, bundle = output.absolute(), bundle.absolute()
    opened = BundleFiles(bundle)
    manifest = read_bundle(opened)
    if manifest.model.embedding is not None:
        with_prompt("", manifest.model.embedding, answering.prompt_name, None)
    elif answering.prompt_name is not None:
        raise LtpError("--prompt-name is for embedding models, and this one is none")
    files = find_files(inputs, output)
    found = tuple(Input.of(path) for path in files)
    settings = Settings(bundle_digest(opened), found, kind, folder, reading, answering)
    job = Job(output, settings)
    with job.alone():
        job.check(force)
        try:
            if job.plan is None:
                columns = find_columns(files, reading, kind)
                schema = answer_schema(manifest.model, answering.long_texts == "window")
                _check_names(columns, schema.names)
                job.begin(columns, cut(files, reading.shard_rows))
            assert job.plan is not None
            columns, shards = job.plan
            task = Task(bundle, settings.bundle, tuple(files), columns, kind, job.folder, answering)
            return _run(job, task, shards, workers or Workers())
        except LtpError:
            job.give_up()
            raise


def _check_names(columns: Columns, answers: Sequence[str]) -> None:
    """Refuse columns beside answers of the same name."""
    for name in columns.kept or ():
        if name in answers:
            raise LtpError(
                f"the input has a column {name!r}, as the answers have: say with --keep which "
                "columns stand beside them"
            )


def _run(job: Job, task: Task, shards: Sequence[Shard], workers: Workers) -> Scored:
    task = replace(task, throughput=workers.throughput)
    done = {each.number: each for each in job.done()}
    todo = [shard for shard in shards if shard.number not in done]
    before, total = sum(each.rows for each in done.values()), sum(each.rows for each in shards)
    with Progress("score", total, "row", initial=before) as progress:
        count = _Count(progress)

        def told(each: Done) -> None:
            if each.number not in done:  # of which Ray may tell twice
                done[each.number] = each
                count.add(each)

        if todo:
            _runner(workers)(task, todo, told)
    for path, then in zip(task.files, job.settings.inputs, strict=True):
        if Input.of(path) != then:
            raise LtpError(f"{path} was changed while it was scored; remove {job.folder}")
    job.finish(list(done.values()))
    failed = sum(len(each.failures) for each in done.values())
    return Scored(
        output=str(job.output),
        rows=total,
        tokens=sum(each.tokens for each in done.values()),
        failed=failed,
        failed_file=str(job.failed) if failed else None,
        seconds=count.seconds,
        new_rows=count.rows,
        new_tokens=count.tokens,
    )


def _runner(workers: Workers) -> Callable[[Task, Sequence[Shard], Callable[[Done], None]], None]:
    count, threads, address = workers.workers, workers.threads, workers.ray
    if address is not None:
        return lambda task, todo, told: run_ray(task, todo, address, count, threads, told)
    cores = threads or len(os.sched_getaffinity(0))
    return lambda task, todo, told: run_local(task, todo, count or cores, cores, told)
