"""Dense PyTorch as baseline of torch-cuda engines, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ltp_deploy.benchmark.baselines.torch import ONE_BY_ONE, PADDED, UNPADDED, unpadded_attention
from ltp_deploy.benchmark.ours import OURS, UNPRUNED
from ltp_deploy.benchmark.run import Options, run
from ltp_deploy.benchmark.workload import of_distribution
from ltp_deploy.errors import LtpError
from ltp_deploy.runtime.engine import Engine, load
from tests.model.problems import random_problem

ONCE = Options(iterations=1, threads=1)


@pytest.fixture
def engine(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> Engine:
    return load(bundle_of(bert_checkpoint, "torch-cuda", compact="all", max_batch=8), portable=True)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_attention_without_padding_is_attention() -> None:
    problem = random_problem([5, 3, 1, 7], carry="all")
    with torch.no_grad():
        found = unpadded_attention(problem.qkv, problem.offsets, problem.heads, longest=7)
    torch.testing.assert_close(found, problem.solve()[0], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_gpu_engine_meets_dense_pytorch(engine: Engine, bert_checkpoint: Path) -> None:
    result = run(engine, [of_distribution(engine.config, 12, 30, 4)], bert_checkpoint, ONCE)
    (case,) = result.cases
    names = [r.name for r in case.runners]
    assert names == [OURS, UNPRUNED, PADDED, ONE_BY_ONE, UNPADDED]
    assert not result.warnings
    flops = {r.name: r.flops_ratio for r in case.runners}
    assert flops[PADDED] > flops[ONE_BY_ONE] == flops[UNPADDED] > 1


def test_peers_are_refused(engine: Engine, bert_checkpoint: Path) -> None:
    options = Options(iterations=1, peers=("pytorch",))
    with pytest.raises(LtpError, match="peers run on CPUs"):
        run(engine, [of_distribution(engine.config, 12, 30, 4)], bert_checkpoint, options)
