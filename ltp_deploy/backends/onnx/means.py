"""`ltp::segment_sum` in standard ONNX operators."""

# mypy: ignore-errors
# What looks like Python here is ONNX, as in `expansion`.
from onnxscript import opset20 as op


def segment_sum(x, offsets):
    """`ltp::segment_sum` on a padded view [B, n, d] of the rows."""
    bounds = op.Cast(offsets, to=7)
    starts = op.Slice(bounds, [0], [-1], [0])
    lengths = op.Slice(bounds, [1], [2**31 - 1], [0]) - starts
    column = op.Range(0, op.ReduceMax(lengths, keepdims=0), 1)
    inside = op.Less(op.Unsqueeze(column, [0]), op.Unsqueeze(lengths, [1]))
    place = op.Where(inside, op.Add(op.Unsqueeze(starts, [1]), op.Unsqueeze(column, [0])), 0)
    rows = op.Where(op.Unsqueeze(inside, [2]), op.Gather(x, place), op.CastLike(0.0, x))
    return op.ReduceSum(rows, [1], keepdims=0)
