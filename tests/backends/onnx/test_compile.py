"""Portable ONNX: exact in f32, close in fp16, and made of standard operators alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.onnx import export as onnx_model
from ltp_deploy.backends.onnx.node import attributes
from ltp_deploy.builder.draft import draft_encoder
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.lower import lower
from ltp_deploy.parity.oracle_run import OracleRun
from ltp_deploy.runtime.engine import load
from ltp_deploy.targets import find_target
from tests.answers import assert_as_oracle, batch_for, oracle_answers, pruned_tokens
from tests.known import KnownCheckpoint
from tests.released import MODES
from tests.tiny import FAMILIES

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

CASES = [*((family, "mixed") for family in FAMILIES), *(("ltp", mode) for mode in MODES)]
# What differs most; the others are for `make test-all`.
FEW = [("bert", "mixed"), ("ltp", "absolute_threshold")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "policy"),
    [case if case in FEW else pytest.param(*case, marks=pytest.mark.full) for case in CASES],
    ids=str,
)
def test_every_family_and_mode_is_exact(
    family: str,
    policy: str | None,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of(family, policy)
    encoder = load_encoder(checkpoint)
    engine = load(bundle_of(checkpoint, "onnx"))
    for lengths in ((25, 5, 1, 18), (1,)):
        batch = batch_for(encoder, lengths)
        survivors = assert_as_oracle(engine, encoder, batch)
        if len(lengths) > 1:
            assert (pruned_tokens(batch, survivors) > 0) == (policy is not None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "compact",
    ["1", *(pytest.param(c, marks=pytest.mark.full) for c in ("none", "bounded"))],
)
def test_wherever_rows_are_removed_the_answers_are_the_same(
    compact: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("bert", "reference")
    encoder = load_encoder(checkpoint)
    assert_as_oracle(
        load(bundle_of(checkpoint, "onnx", compact=compact)), encoder, batch_for(encoder)
    )


@pytest.mark.slow
def test_fp16_stays_close(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("roberta", "topk")
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder, (25, 5, 1, 18))
    bundle = bundle_of(checkpoint, "onnx", precision="fp16")
    logits, _ = oracle_answers(encoder, batch)
    np.testing.assert_allclose(load(bundle).run(batch).logits, logits, atol=0.05)
    model = onnx.load(bundle / "portable.onnx")
    weights = {w.data_type for w in model.graph.initializer if len(w.dims) == 2}
    assert weights == {onnx.TensorProto.FLOAT16}


@pytest.mark.slow
def test_the_portable_model_needs_no_operator_of_ours(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    model = onnx.load(bundle_of(checkpoint_of("bert", "topk"), "onnx") / "portable.onnx")
    brought = {(f.domain, f.name) for f in model.functions}
    for node in [*model.graph.node, *(n for f in model.functions for n in f.node)]:
        assert node.domain == "" or (node.domain, node.op_type) in brought
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.slow
def test_nodes_are_named_after_what_they_compute(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    encoder = load_encoder(checkpoint_of("bert", "absolute"))
    options = BuildOptions("onnx", "fp16")
    draft = draft_encoder(encoder, options)
    job = Job(
        *(lower(encoder, draft.plan), encoder.config, draft.plan, find_target("onnx")),
        *(options, draft.limits, tmp_path, {}),
    )
    model = onnx_model.export(job)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    for name in ("layers.0.attention", "layers.1.attention_output", "layers.2.output_norm"):
        assert name in names
    outputs = [len(node.output) for node in onnx_model.attention_nodes(model)]
    assert outputs == [5, 5, 4]  # the last one's row count does not depend on the data


def test_nodes_say_what_share_of_their_rows_the_plan_expects(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    encoder = load_encoder(checkpoint_of("bert", "topk"))
    options = BuildOptions("onnx", "fp16", compact="0")
    draft = draft_encoder(encoder, options)
    job = Job(
        *(lower(encoder, draft.plan), encoder.config, draft.plan, find_target("onnx")),
        *(options, draft.limits, tmp_path, {}),
    )
    found = [attributes(n) for n in onnx_model.attention_nodes(onnx_model.export(job))]
    # 0.8 of 40 tokens, all of these 32, and the first token alone: 1/32.
    assert [node["expected_per_mille"] for node in found] == [800, 1000, 32]


@pytest.mark.full
def test_released_checkpoints_keep_their_answers_in_fp16(
    known: KnownCheckpoint, known_oracle: OracleRun, bundle_of: Callable[..., Path]
) -> None:
    rows = range(min(200, known.batch.sequences))
    engine = load(bundle_of(known.directory, "onnx", precision="fp16", survivors=False))
    logits = engine.run(known.batch.select(rows)).logits
    same = logits.argmax(1) == known_oracle.logits[rows].argmax(1)
    assert same.mean() >= 0.99
