"""The memory of requests, of answers and of the state between segments, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltp_deploy.backends.torch_cuda.buffers import Buffers
from ltp_deploy.backends.torch_cuda.in_place import NEXT
from ltp_deploy.backends.torch_cuda.segments import STATE
from ltp_deploy.errors import LtpError

INPUTS = ["input_ids", "position_ids", "offsets"]
ROWS, SEQUENCES = 64, 4
COLUMNS = {"context": 16, "residual": 8}  # of padded heads, and of the model


@pytest.fixture
def buffers() -> Buffers:
    return Buffers(INPUTS, ROWS, SEQUENCES, COLUMNS, torch.device("cpu"))


def request(lengths: list[int]) -> dict[str, np.ndarray]:
    rows = sum(lengths)
    return {
        "input_ids": np.arange(5, 5 + rows, dtype=np.int32),
        "position_ids": np.arange(rows, dtype=np.int32),
        "offsets": np.cumsum([0, *lengths]).astype(np.int32),
    }


@pytest.mark.parametrize(
    ("lengths", "rows", "sequences"),
    [([3, 2], 5, 2), ([3, 2], 9, 4), ([40, 24], 64, 4), ([1], 2, 1)],
)
def test_a_request_is_padded(
    buffers: Buffers, lengths: list[int], rows: int, sequences: int
) -> None:
    buffers.fill(request([16] * 4), ROWS, SEQUENCES)  # what was there before does not show
    buffers.upload(ROWS, SEQUENCES)
    buffers.fill(request(lengths), rows, sequences)
    buffers.upload(rows, sequences)
    ids, positions, offsets = buffers.given(INPUTS, 0, rows, sequences)
    used = sum(lengths)
    assert ids.tolist() == [*range(5, 5 + used), *[0] * (rows - used)]
    assert positions.tolist() == [*range(used), *[0] * (rows - used)]
    ends = request(lengths)["offsets"].tolist()
    assert offsets.tolist() == ends + [used] * (sequences + 1 - len(ends))


def test_a_segment_reads_what_the_one_before_wrote_and_writes_elsewhere(buffers: Buffers) -> None:
    written = [NEXT + name for name in STATE]
    for segment in range(4):
        for value, buffer in enumerate(buffers.given(written, segment, 40, 3)):
            buffer.fill_(10 * segment + value)
        read = dict(zip(STATE, buffers.given(list(STATE), segment + 1, 40, 3), strict=True))
        for value, name in enumerate(STATE):
            assert (read[name][:3] == 10 * segment + value).all()
        given = {buffer.data_ptr() for buffer in buffers.given(written, segment + 1, 40, 3)}
        shared = {name for name, buffer in read.items() if buffer.data_ptr() in given}
        assert shared == {"lengths"}  # which the first segment alone writes
    sizes = {name: len(buffer) for name, buffer in read.items()}
    assert sizes == {**dict.fromkeys(STATE, 40), "residual": ROWS, "offsets": 4, "lengths": 3}


def test_answers_are_copies_without_padding(buffers: Buffers) -> None:
    offsets = torch.tensor([0, 3, 4, 4, 4], dtype=torch.int32)
    logits = torch.rand(4, 2).half()
    for _ in range(2):
        kept = torch.arange(9, dtype=torch.int32)
        buffers.download({"layer.offsets": offsets, "layer.kept": kept, "logits": logits})
        found = buffers.answers(2)
        assert found["layer.offsets"].tolist() == [0, 3, 4]
        assert found["layer.kept"].tolist() == [0, 1, 2, 3]
        assert np.array_equal(found["logits"], logits[:2].numpy())
        for value in found.values():
            value.fill(99)


def test_the_number_of_rows_left_is_what_the_last_segment_wrote(buffers: Buffers) -> None:
    (count,) = buffers.given([NEXT + "count"], 0, 5, 1)
    count[0] = 3
    assert buffers.rows_left(None) == 3
    buffers.forget_rows_left()
    with pytest.raises(LtpError, match="nothing said how many rows are left"):
        buffers.rows_left(None)
    assert buffers.given([NEXT + "count"], 1, 5, 1)[0] is count
