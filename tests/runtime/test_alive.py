"""How many tokens are alive after each layer, from bundles that report no survivors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import BundleError
from ltp_deploy.runtime.engine import load
from tests.answers import batch_for, oracle_answers, random_batch

LAYERS = 3


def counts(survivors: list[list[list[int]]]) -> np.ndarray:
    return np.array([[len(kept) for kept in layers] for layers in survivors])


@pytest.mark.parametrize(
    ("policy", "compact"),
    [
        *product(["absolute", "relative", "topk", "mixed", "reference"], ["auto", "none", "1"]),
        (None, "auto"),
    ],
)
def test_counts_are_the_oracles(
    policy: str | None,
    compact: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("bert", policy)
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    expected = counts(oracle_answers(encoder, batch)[1])
    with load(bundle_of(checkpoint, survivors=False, compact=compact), alive=True) as engine:
        found = engine.run(batch)
        assert found.survivors is None
        assert found.alive is not None
        assert found.alive.dtype == np.int32
        np.testing.assert_array_equal(found.alive[:, :-1], expected[:, :-1])
        np.testing.assert_array_equal(found.alive[:, -1], found.alive[:, -2])
        parts = [
            engine.submit(ids=one.input_ids, offsets=one.offsets, token_type_ids=one.token_type_ids)
            for one in map(batch.select, ([i] for i in range(batch.sequences)))
        ]
        np.testing.assert_array_equal(
            np.concatenate([part.result().alive for part in parts]), found.alive
        )


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8-dynamic"])
@pytest.mark.parametrize("policy", ["absolute", "reference"])
def test_counting_changes_no_answer(
    policy: str, precision: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint_of("bert", policy), precision=precision, survivors=False)
    for seed in range(3):
        batch = random_batch(np.random.default_rng(seed).integers(1, 41, 30), seed)
        counted, plain = load(bundle, alive=True).run(batch), load(bundle).run(batch)
        np.testing.assert_array_equal(counted.logits, plain.logits)
        assert plain.alive is None
        assert counted.alive is not None
        assert (np.diff(counted.alive, axis=1) <= 0).all()
        assert (counted.alive[:, 0] <= batch.lengths).all()
        assert counted.alive[:, -1].sum() < batch.lengths.sum()


def test_bf16_engines_count_as_their_survivors_say(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    """Top-k counts do not depend on scores, and so not on the precision."""
    checkpoint, batch = checkpoint_of("bert", "topk"), random_batch(range(1, 41))
    wide = load(bundle_of(checkpoint)).run(batch)
    bundle = bundle_of(checkpoint, survivors=False, precision="bf16")
    found = load(bundle, alive=True).run(batch)
    assert wide.alive is not None
    assert wide.survivors is not None
    assert wide.alive.tolist() == [[len(kept) for kept in layers] for layers in wide.survivors]
    assert found.alive is not None
    np.testing.assert_array_equal(found.alive[:, :-1], wide.alive[:, :-1])


def test_integers_survive_bf16() -> None:
    ov = pytest.importorskip("openvino")
    from ltp_deploy.backends.openvino.integers import add_integers, read_integers
    from ltp_deploy.backends.openvino.session import compile_settings

    values = np.array([0, 1, 255, 256, 257, 511, 65535, 65536, 65793, 2**24 - 1], np.int32)
    given = ov.opset13.parameter([-1], np.int32)
    model = ov.Model([given], [given])
    add_integers(model, "numbers", [given.output(0)], "bf16")
    compiled = ov.Core().compile_model(model, "CPU", compile_settings("bf16"))
    output = np.array(compiled([values])["numbers"])
    assert output.shape == (3, len(values))
    assert output.itemsize == 2
    assert read_integers(output).tolist() == values.tolist()


def test_a_text_in_windows_counts_all_of_them(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False, max_length=12)
    engine = load(bundle, long_texts="window", stride=3, alive=True)
    text = "a very bad film was not great " * 4
    tokens = engine.tokenize(text)
    found = engine(["dull", text])
    assert tokens.sequences > 3
    assert found.alive is not None
    expected = engine.run(tokens).alive
    assert expected is not None
    assert found.alive.tolist() == [engine("dull").alive[0].tolist(), expected.sum(0).tolist()]  # type: ignore[index]


def test_engines_that_cannot_count_say_so(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    with pytest.raises(BundleError, match=r"runs in torchscript, .* built with `--outputs surv"):
        load(bundle_of(bert_checkpoint, "torchscript", survivors=False), alive=True)
    engine = load(bundle_of(bert_checkpoint, "torchscript"), alive=True)
    batch = random_batch([3, 9])
    expected = counts(oracle_answers(load_encoder(bert_checkpoint), batch)[1])
    np.testing.assert_array_equal(engine.run(batch).alive, expected)
