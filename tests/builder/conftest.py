"""What the searches judge by."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import Examples, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.parity.oracle_run import run_oracle
from tests.tiny import write_texts


@pytest.fixture(scope="session")
def judged(bert_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Texts whose labels are the model's own answers: the oracle scores 100."""
    path = write_texts(tmp_path_factory.mktemp("judged") / "texts.tsv", count=400, seed=3)
    texts = read_examples(str(path)).texts
    encoder = load_encoder(bert_checkpoint)
    logits = run_oracle(
        encoder, TransformersTokenizer(bert_checkpoint, encoder.config)(texts)
    ).logits
    return Examples(texts, [float(label) for label in logits.argmax(1)])
