"""Released checkpoints whose answers are known from elsewhere than this package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltp_deploy.data.batch import PackedBatch, pack


@dataclass(frozen=True)
class KnownCheckpoint:
    """A checkpoint directory, labelled texts, and the answers expected of it on them.

    logits [N, labels]; survivors [N, L, longest] bool, after each layer; labels [N].
    """

    directory: Path
    texts: Path  # a .tsv with the columns text and label, N rows
    batch: PackedBatch
    labels: np.ndarray
    logits: np.ndarray
    survivors: np.ndarray

    @property
    def accuracy(self) -> float:
        """Of the expected logits, in percent."""
        return 100 * float((self.logits.argmax(1) == self.labels).mean())

    @property
    def flops_ratio(self) -> float:
        """How many times fewer multiply-adds than without pruning, as the method's authors count:
        a layer takes 2 d n² + 4 d² n for the n tokens that enter it and 8 d² for each that leaves.
        """
        d = json.loads((self.directory / "config.json").read_text())["hidden_size"]
        real = self.batch.lengths.astype(float)

        def count(entering: np.ndarray, leaving: np.ndarray) -> float:
            return float((2 * d * entering**2 + 4 * d**2 * entering + 8 * d**2 * leaving).sum())

        after = self.survivors.sum(2).T.astype(float)  # [L, N]
        layers = len(after)
        pruned = sum(count(*pair) for pair in zip([real, *after[:-1]], after, strict=True))
        return layers * count(real, real) / pruned


def combined(donor: Path, source: Path, directory: Path) -> None:
    """`source` in `directory`, with the weights and tokenizer of `donor` where it has none."""
    for folder in (donor, source):
        for file in folder.iterdir():
            if file.is_file():
                (directory / file.name).unlink(missing_ok=True)
                (directory / file.name).symlink_to(file)


def first_texts(texts: Path, rows: int, directory: Path) -> None:
    """texts.tsv with so many of the rows of `texts`."""
    lines = texts.read_text(encoding="utf-8").splitlines(keepends=True)
    (directory / "texts.tsv").write_text("".join(lines[: 1 + rows]), encoding="utf-8")


def by_the_released_code(directory: Path, texts: Path) -> KnownCheckpoint:
    """With what the method's authors' own code said, in expected.npz, on the first texts or all."""
    rows = _rows(texts)
    count = len(rows)
    expected = {name: array[:count] for name, array in np.load(directory / "expected.npz").items()}
    ids, types, lengths = (expected[k] for k in ("input_ids", "token_type_ids", "lengths"))
    survivors = np.unpackbits(expected["survivors"], axis=-1).astype(bool)
    assert not survivors[:, :, lengths.max() :].any()
    assert expected["labels"].tolist() == [label for _, label in rows]
    return KnownCheckpoint(
        directory,
        texts,
        pack(ids, types, np.arange(ids.shape[1]) < lengths[:, None]),
        expected["labels"],
        expected["logits"],
        survivors[:, :, : lengths.max()],
    )


def by_the_definition(directory: Path, texts: Path) -> KnownCheckpoint:
    """With what `tests.naive` said, in expected.json."""
    expected = json.loads((directory / "expected.json").read_text())
    ids = [answer["ids"] for answer in expected]
    layers = len(expected[0]["survivors"])
    survivors = np.zeros((len(ids), layers, max(map(len, ids))), bool)
    for i, answer in enumerate(expected):
        for layer, kept in enumerate(answer["survivors"]):
            survivors[i, layer, kept] = True
    return KnownCheckpoint(
        directory,
        texts,
        pack(ids),
        np.array([label for _, label in _rows(texts)]),
        np.array([answer["logits"] for answer in expected], np.float32),
        survivors,
    )


def _rows(texts: Path) -> list[tuple[str, int]]:
    lines = texts.read_text(encoding="utf-8").splitlines()[1:]
    return [(text, int(label)) for text, label in (line.rsplit("\t", 1) for line in lines)]
