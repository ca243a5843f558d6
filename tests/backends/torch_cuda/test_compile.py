"""torch-cuda bundles, on the CPU: the same parts with the op's reference, in fp16."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.backends.torch_cuda import TorchCudaEngine
from ltp_deploy.backends.torch_cuda.residual_norm import use_residual_norm
from ltp_deploy.backends.torch_cuda.segments import STATE
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.errors import BundleError
from ltp_deploy.runtime.engine import load
from ltp_deploy.runtime.result import make_result
from ltp_deploy.verification.gates import Tolerances
from ltp_deploy.verification.verify import verify
from tests.answers import as_lists, batch_for
from tests.cases import families_and_policies


@pytest.mark.slow
@pytest.mark.parametrize("compact", ["all", "none"])
@pytest.mark.parametrize(("family", "policy"), families_and_policies(), ids=str)
def test_the_parts_answer_as_the_whole_graph(
    family: str,
    policy: str | None,
    compact: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of(family, policy)
    """Which is the same but for how the rows of a product are shared out: traced, cut, and run in
    buckets, here; lowered alone, there."""
    encoder = load_encoder(checkpoint)
    engine = load(bundle_of(checkpoint, "torch-cuda", compact=compact, max_batch=8), portable=True)
    plan = make_plan(PlanRequest(encoder.config, "fp16", survivors=True, compact=compact))
    whole = lower(encoder, plan)
    use_residual_norm(whole)
    inputs = [node.name for node in whole.graph.nodes if node.op == "placeholder"]
    for lengths in ((25, 5, 1, 18), (1,), (30, 30, 2)):
        batch = batch_for(encoder, lengths)
        feeds = batch.feeds(encoder.config)
        with torch.inference_mode():
            values = whole(*(torch.from_numpy(feeds[name]) for name in inputs))
        named = zip(output_names(plan), values, strict=True)
        outputs = {name: value.numpy() for name, value in named}
        wanted = make_result(outputs, batch, encoder.config, survivors=True)
        found = engine.run(batch)
        assert as_lists(found.survivors) == as_lists(wanted.survivors)
        np.testing.assert_allclose(found.logits, wanted.logits, atol=0.01)


def test_what_is_asked_of_the_engine_is_in_the_manifest(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torch-cuda", compact="0,1", max_batch=8)
    manifest = read_bundle(bundle)
    assert manifest.precision == "fp16"
    assert manifest.parity is not None
    assert manifest.parity.sequences == 4
    assert manifest.plan.prediction is not None
    assert manifest.plan.prediction.gpu == "H200"  # assumed, where there is no GPU
    segments = manifest.record(TorchCudaEngine).segments
    first, second, last = segments
    assert first.inputs[: len(manifest.inputs)] == manifest.inputs
    written = {f"next_{name}" for name in STATE} | {"next_count"}
    assert set(first.inputs) == {*manifest.inputs, *written}
    assert set(second.inputs) == {*STATE, *written} - {"next_lengths"}
    assert set(last.inputs) == set(STATE)
    found = [name for segment in segments for name in segment.outputs]
    assert sorted(found) == sorted(manifest.outputs)


@pytest.mark.parametrize("compact", ["all", "bounded", "none"])
def test_batches_of_any_size_without_survivors(
    compact: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torch-cuda", compact=compact, max_batch=8, survivors=False)
    engine = load(bundle, portable=True)
    encoder = load_encoder(bert_checkpoint)
    for size in range(1, 8):
        batch = batch_for(encoder, (25, 5, 1, 18, 9, 30, 2)[:size])
        together = engine.run(batch).logits
        alone = [engine.run(batch.select([i])).logits for i in range(size)]
        np.testing.assert_allclose(together, np.concatenate(alone), atol=0.01)


def test_survivors_come_from_a_reference_build(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], texts: Path
) -> None:
    bundle = bundle_of(bert_checkpoint, "torch-cuda", compact="1", max_batch=8, survivors=False)
    examples = read_examples(str(texts), DataOptions())
    found = verify(bundle, bert_checkpoint, examples, 8, Tolerances(), portable=True)
    assert found.survivors_from_reference_build
    assert not found.failures
    assert found.survivors.agreement > 0.98


def test_without_a_gpu_a_bundle_says_how_to_run_it(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    bundle = bundle_of(bert_checkpoint, "torch-cuda", max_batch=8)
    with pytest.raises(BundleError, match=r"finds none; .* --portable"):
        load(bundle)


def test_an_archive_that_pytorch_cannot_read(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bundle_of(bert_checkpoint, "torch-cuda", max_batch=8)

    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("unknown version of the archive")

    monkeypatch.setattr("torch.jit.load", refuse)
    with pytest.raises(BundleError, match=r"built with [\d.]+.*rebuild it \(unknown version"):
        load(bundle, portable=True)
