"""Workers on a Ray cluster: a pool of actors through which Ray Data sends the shards.

Rows do not travel through Ray. An actor reads its shard from the files and writes its part beside
the others, as a process on one machine does, and only says what became of it. So all nodes must see
the bundle, the inputs and the output under the same paths, and Ray may repeat what it likes: a
shard that is done is not done again.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.unfinished import unfinished
from ltp_deploy.codec import from_json, to_json
from ltp_deploy.errors import LtpError, needs
from ltp_deploy.score.plan import Shard
from ltp_deploy.score.shard import Done, Task, Worker

LOCAL = "local"
FREE = 0.1  # of a CPU for each actor: actors that hold all of them would starve every other task
BLOCKS = 20_000  # at most; each is a task, which Ray repeats as a whole
STORE = 128 << 20  # bytes of a local cluster's object store, through which hardly anything goes
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_worker_niceness": "0",  # of a local cluster: as nice as this process, and not by 15 more
}
PATIENCE = 20.0  # seconds for a connection to a cluster
SHORT = Path("/tmp/ltp-ray")  # sockets below it may have paths of 107 characters


def run_ray(
    task: Task,
    shards: Sequence[Shard],
    address: str,
    workers: int | None,
    threads: int | None,
    told: Callable[[Done], None],
) -> None:
    """Score the shards. Where an actor or its node dies, Ray starts another one.

    Args:
        address: of the cluster, or `LOCAL` for one that lives as long as this.
        workers: actors; None for one for each thread.
        threads: of all actors together; None for all CPUs of the cluster.
        told: of every shard that is complete, perhaps more than once.

    Raises:
        LtpError: no cluster answers; see `Worker`.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with needs("scoring on Ray takes Ray Data", "ray"):
        import ray
        import ray.data
    with _cluster(ray, address, threads):
        cpus = threads or max(1, int(ray.cluster_resources().get("CPU", 1)))
        count = min(workers or cpus, len(shards))
        task = replace(task, threads=max(1, cpus // (workers or cpus)))
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        items = [{"shard": json.dumps(asdict(shard))} for shard in shards]
        answers = ray.data.from_items(
            items, override_num_blocks=min(len(items), BLOCKS)
        ).map_batches(
            Actor,
            batch_size=1,
            fn_constructor_args=(task,),
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=(task.threads or 1) - FREE,
        )
        try:
            for row in answers.iter_rows():
                said = json.loads(row["said"])
                if "error" in said:
                    raise LtpError(said["error"])
                told(from_json(Done, said["done"]))
        except ray.exceptions.RayError as error:
            raise LtpError(f"Ray cannot go on: {_last_line(error)}") from None


class Actor:
    """One worker, with the bundle that it has opened once."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list[str]]]:
        for text in batch["shard"].tolist():
            try:
                # Not in the constructor, whose errors Ray takes for a reason to try again.
                self._worker = self._worker or Worker(self._task)
                said = {"done": to_json(self._worker.score(Shard(**json.loads(text))))}
            except (LtpError, OSError) as error:
                said = {"error": str(error)}
            yield {"said": [json.dumps(said)]}


@contextmanager
def _cluster(ray: Any, address: str, threads: int | None) -> Iterator[None]:
    """Connected to a cluster.

    Raises:
        LtpError: none answers, or none can be started.
    """
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with unfinished(SHORT) if address == LOCAL else nullcontext() as folder:
        if address == LOCAL:
            options = {
                "num_cpus": threads or len(os.sched_getaffinity(0)),
                "include_dashboard": False,
                "object_store_memory": STORE,
                "_temp_dir": str(folder),
            }
        else:
            _check_answers(address)
            options = {}
        _connect(ray, address, options)
        try:
            yield
        finally:
            ray.shutdown()


def _connect(ray: Any, address: str, options: dict[str, Any]) -> None:
    """Connect, and where a cluster does not start in the 30 seconds that Ray gives it, as on a busy
    machine, once more.

    Raises:
        LtpError: none answers, or none can be started.
    """
    for left in (1, 0) if address == LOCAL else (0,):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
            return
        except Exception as error:  # Ray raises many kinds
            ray.shutdown()
            if not left:
                said = _last_line(error)
                raise LtpError(f"Ray at {address} does not answer: {said}") from None


def _check_answers(address: str) -> None:
    """Ray itself would try for minutes.

    Raises:
        LtpError: it is no address, or nobody listens there.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise LtpError(
            f"--ray {address} is neither {LOCAL} nor HOST:PORT, as `ray start --head` says it "
            "(usually port 6379)"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise LtpError(f"Ray at {address} does not answer: {error}") from None


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
