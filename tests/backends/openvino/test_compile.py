"""OpenVINO engines answer as the masked oracle does: the same survivors, the same logits."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.backends.openvino import OpenVinoEngine
from ltp_deploy.backends.table import read_bundle
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.parity.oracle_run import OracleRun
from ltp_deploy.runtime.engine import Engine, load
from tests.answers import (
    LENGTHS,
    Survivors,
    as_lists,
    assert_as_oracle,
    batch_for,
    oracle_answers,
    pruned_tokens,
    reported,
)
from tests.known import KnownCheckpoint

# Every family and every mode, in pairs that also vary both conventions.
CASES = [
    ("bert", None),
    ("bert", "absolute"),
    ("bert", "reference"),
    ("roberta", "topk"),
    ("xlm-roberta", "relative"),
    ("electra", "absolute-sequence"),
    ("distilbert", "mixed"),
    ("ltp", "absolute_threshold"),
    ("ltp", "threshold"),
    ("ltp", "rising_threshold"),
    ("ltp", "topk"),
    ("ltp", None),
]


def assert_same(engine: Engine, checkpoint: Path, prunes: bool, seeds: int = 3) -> None:
    """Random ragged batches give the oracle's answers."""
    encoder = load_encoder(checkpoint)
    for seed in range(seeds):
        batch = batch_for(encoder, LENGTHS[seed:], seed)
        survivors = assert_as_oracle(engine, encoder, batch)
        assert (pruned_tokens(batch, survivors) > 10) == prunes


@pytest.mark.slow
@pytest.mark.parametrize(("family", "policy"), CASES, ids=str)
def test_float32_is_exact(
    family: str,
    policy: str | None,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of(family, policy)
    assert_same(load(bundle_of(checkpoint)), checkpoint, prunes=policy is not None)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [1, 3])
def test_a_bundle_of_logits_alone_gives_the_same_logits(
    labels: int, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("distilbert", "reference", labels=labels)
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    result = load(bundle_of(checkpoint, survivors=False)).run(batch)
    assert result.survivors is None
    assert result.logits.shape == (batch.sequences, labels)
    np.testing.assert_allclose(result.logits, oracle_answers(encoder, batch)[0], atol=1e-4)


@pytest.mark.slow
def test_a_position_table_of_512_can_be_used_to_its_end(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("xlm-roberta", "relative", max_position_embeddings=514)
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder, [512, 1, 511, 300, 512])
    survivors = assert_as_oracle(load(bundle_of(checkpoint)), encoder, batch)
    assert pruned_tokens(batch, survivors) > 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "precision", "near", "same"),
    [
        ("cpu", "bf16", 0.05, 0.98),
        ("cpu", "int8-dynamic", 0.1, 0.96),
        ("haswell", "int8-dynamic", 0.1, 0.96),
    ],
)
def test_reduced_precisions_predict_nearly_the_same(
    target: str,
    precision: str,
    near: float,
    same: float,
    bert_checkpoint: Path,
    bundle_of: Callable[..., Path],
) -> None:
    encoder = load_encoder(bert_checkpoint)
    engine = load(bundle_of(bert_checkpoint, target, precision=precision))
    batch = batch_for(encoder, [7 + i % 19 for i in range(100)])
    logits, survivors = oracle_answers(encoder, batch)
    result = engine.run(batch)
    assert overlap(as_lists(result.survivors), survivors) > same
    assert (result.logits.argmax(1) == logits.argmax(1)).mean() >= 0.95
    assert np.abs(result.logits - logits).mean() < near * logits.std()


def overlap(found: Survivors, expected: Survivors) -> float:
    """Share of (token, layer) survivors on which both agree."""
    a, b = (
        {(i, layer, t) for i, ls in enumerate(s) for layer, ts in enumerate(ls) for t in ts}
        for s in (found, expected)
    )
    return len(a & b) / len(a | b)


def in_new_process(bundle: Path, batch: PackedBatch, **environment: str) -> np.ndarray:
    """Logits from another process, since a process chooses its instruction set once."""
    request = bundle.with_suffix(".npz")
    np.savez(request, ids=batch.input_ids, offsets=batch.offsets)
    code = (
        "import sys, numpy, ltp_deploy; data = numpy.load(sys.argv[2]);"
        "engine = ltp_deploy.load(sys.argv[1]);"
        "result = engine(ids=data['ids'], offsets=data['offsets']);"
        "numpy.save(sys.argv[2] + '.logits.npy', result.logits)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(bundle), str(request)],
        check=True,
        env={**os.environ, **environment},
    )
    return np.load(f"{request}.logits.npy")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "isa"), [("haswell", ""), ("cpu", "portable"), ("cpu", "avx2"), ("cpu", "avx512")]
)
def test_every_instruction_set_is_exact(
    target: str, isa: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(bert_checkpoint)
    batch = batch_for(encoder)
    batch.token_type_ids[:] = 0
    if isa and isa not in usable_isas():
        pytest.skip(f"this CPU has no {isa}")
    logits = in_new_process(bundle_of(bert_checkpoint, target), batch, LTP_ISA=isa)
    np.testing.assert_allclose(logits, oracle_answers(encoder, batch)[0], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["avx2", "AVX512_CORE_VNNI"])
def test_a_limit_of_the_environment_on_instructions_holds_for_bf16_as_well(
    limit: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(bert_checkpoint)
    batch = batch_for(encoder)
    batch.token_type_ids[:] = 0
    bundle = bundle_of(bert_checkpoint, precision="bf16")
    logits = in_new_process(bundle, batch, ONEDNN_MAX_CPU_ISA=limit)
    np.testing.assert_allclose(logits, load(bundle).run(batch).logits, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "precision", "isa"),
    [({}, "f32", ""), ({"target": "haswell"}, "f32", "avx2"), ({"precision": "bf16"}, "bf16", "")],
    ids=str,
)
def test_the_engine_itself_knows_its_precision_and_limits(
    options: dict, precision: str, isa: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, **options)
    operators = re.findall(r'<data [^>]*heads="4"[^>]*>', (bundle / "engine.xml").read_text())
    assert len(operators) == 3
    for operator in operators:
        assert f'precision="{precision}"' in operator
        assert f'isa="{isa}"' in operator
    assert read_bundle(bundle).record(OpenVinoEngine).isa == isa


def usable_isas() -> set[str]:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    needs = {"portable": (), "avx2": ("avx2", "fma"), "avx512": ("avx512f", "avx512bw")}
    return {isa for isa, names in needs.items() if all(f" {n} " in flags for n in names)}


def test_released_checkpoints_are_exact(
    known: KnownCheckpoint, known_oracle: OracleRun, bundle_of: Callable[..., Path]
) -> None:
    result = load(bundle_of(known.directory)).run(known.batch)
    assert as_lists(result.survivors) == reported(known_oracle.survivors)
    assert np.abs(result.logits - known_oracle.logits).max() < 1e-4
    assert np.abs(result.logits - known.logits).max() < 1e-4
