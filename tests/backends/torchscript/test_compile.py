"""TorchScript bundles: exact, and loadable by anyone who has nothing but PyTorch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.runtime.engine import load
from tests.answers import assert_as_oracle, batch_for, oracle_answers, pruned_tokens
from tests.cases import families_and_policies


@pytest.mark.slow
@pytest.mark.parametrize(("family", "policy"), families_and_policies(), ids=str)
def test_every_family_and_mode_is_exact(
    family: str,
    policy: str | None,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of(family, policy)
    encoder = load_encoder(checkpoint)
    engine = load(bundle_of(checkpoint, "torchscript"))
    for lengths in ((25, 5, 1, 18), (1,), (30, 30)):
        batch = batch_for(encoder, lengths)
        survivors = assert_as_oracle(engine, encoder, batch)
    assert (pruned_tokens(batch, survivors) > 0) == (policy is not None)


@pytest.mark.slow
def test_plain_torch_loads_the_engine_and_answers_the_same(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoint = checkpoint_of("bert", "reference")
    bundle = bundle_of(checkpoint, "torchscript")
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    np.savez(tmp_path / "feeds.npz", **batch.feeds(encoder.config))
    code = """
import sys
import numpy, torch
feeds = numpy.load(sys.argv[2])
module = torch.jit.load(sys.argv[1])
outputs = module(*(torch.from_numpy(feeds[n]) for n in sys.argv[4:]))
numpy.save(sys.argv[3], outputs[0].detach().numpy())
assert "ltp_deploy" not in sys.modules
"""
    names = ["input_ids", "position_ids", "token_type_ids", "offsets"]
    subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            bundle / "engine.pt",
            tmp_path / "feeds.npz",
            tmp_path / "logits.npy",
            *names,
        ],
        check=True,
        cwd=tmp_path,
    )
    logits = np.load(tmp_path / "logits.npy")
    np.testing.assert_allclose(logits, oracle_answers(encoder, batch)[0], atol=1e-4)
