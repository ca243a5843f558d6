"""The op in standard ONNX operators, as functions that a model brings along.

They work on a padded view [B, n] of the packed rows, where n is the length of the request's longest
sequence, and compute in float32 whatever the type of their input is. What they mean is said in
`ltp_deploy.model.reference`.
"""

# mypy: ignore-errors
# onnxscript compiles the source of these functions: what looks like Python here is ONNX.
from onnxscript import opset20 as op
from onnxscript import script
from onnxscript.values import Opset

DOMAIN = "ltp.portable"
portable = Opset(DOMAIN, 1)


@script(portable, default_opset=op)
def Attend(qkv, offsets, alive, heads: int):
    """Attention of all alive rows.

    Returns:
        score [B, n]: attention probabilities, summed over heads and alive queries.
        context [B, n, d] float32.
        place [B, n]: the row of each entry, 0 for padding.
        column [1, n]: 0, 1, 2, ...
        inside [B, n] bool: entries that are no padding.
        real [B, n] bool: entries whose tokens are alive, in sequences that are not finished.
    """
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    nothing = op.Constant(value_float=0.0)
    bounds = op.Cast(offsets, to=7)
    starts = op.Slice(bounds, [0], [-1], [0])
    lengths = op.Slice(bounds, [1], [2147483647], [0]) - starts
    column = op.Unsqueeze(op.Range(zero, op.ReduceMax(lengths, keepdims=0), one), [0])
    inside = column < op.Unsqueeze(lengths, [1])
    place = op.Where(inside, op.Unsqueeze(starts, [1]) + column, zero)
    marked = op.And(inside, op.Cast(op.Gather(alive, place), to=9))
    real = op.And(marked, op.Slice(marked, [0], [1], [1]))

    of_heads = op.Reshape(op.Constant(value_int=heads), [1])
    split = op.Concat(op.Shape(place), [3], of_heads, [-1], axis=0)
    rows = op.Cast(op.Gather(qkv, place), to=1)
    parts = op.Transpose(op.Reshape(rows, split), perm=[2, 0, 3, 1, 4])
    query = op.Gather(parts, zero)
    key = op.Transpose(op.Gather(parts, one), perm=[0, 1, 3, 2])
    value = op.Gather(parts, op.Constant(value_int=2))
    size = op.Cast(op.Shape(query, start=3, end=4), to=1)
    product = op.MatMul(query, key) / op.Sqrt(size)
    masked = op.Where(op.Unsqueeze(real, [1, 2]), product, op.Constant(value_float=-1e30))
    probability = op.Softmax(masked, axis=-1)

    asked = op.Where(op.Unsqueeze(real, [1, 3]), probability, nothing)
    score = op.Where(real, op.ReduceSum(asked, [1, 2], keepdims=0), nothing)
    mixed = op.Transpose(op.MatMul(probability, value), perm=[0, 2, 1, 3])
    context = op.Reshape(mixed, op.Concat(op.Shape(place), [-1], axis=0))
    return score, context, place, column, inside, real


@script(portable, default_opset=op)
def KeepNone(score, real, column, lengths):
    """No rule: all alive tokens are kept."""
    return op.Identity(real)


@script(portable, default_opset=op)
def KeepAbsolute(score, real, column, lengths, heads: int, threshold: float, score_length: int):
    """Tokens with score / (heads * D) < threshold are pruned."""
    fixed = op.Constant(value_int=score_length)
    chosen = op.Where(fixed > op.Constant(value_int=0), fixed, op.Cast(lengths, to=7))
    divisor = op.Cast(chosen * op.Constant(value_int=heads), to=1)
    below = score / op.Unsqueeze(divisor, [1]) < op.Constant(value_float=threshold)
    return op.And(real, op.Not(below))


@script(portable, default_opset=op)
def KeepRelative(score, real, column, lengths, threshold: float):
    """Tokens with score / best score < threshold are pruned."""
    below = score / op.ReduceMax(score, [1]) < op.Constant(value_float=threshold)
    return op.And(real, op.Not(below))


@script(portable, default_opset=op)
def KeepTopK(score, real, column, lengths, threshold: float, keep_first: int):
    """The round(length * rate) tokens of highest score are kept.

    Half rounds to even, and ties go to the lower index.
    """
    wanted = op.Round(op.Cast(lengths, to=1) * op.Constant(value_float=threshold))
    present = op.ReduceSum(op.Cast(real, to=1), [1], keepdims=0)
    least = op.Min(present, op.Cast(op.Constant(value_int=keep_first), to=1))
    count = op.Max(op.Min(wanted, present), least)
    protected = op.And(
        op.Equal(column, op.Constant(value_int=0)), op.Cast(op.Constant(value_int=keep_first), to=9)
    )
    ranked = op.Where(
        protected,
        op.Constant(value_float=3e38),
        op.Where(real, score, op.Constant(value_float=-1.0)),
    )
    _, order = op.TopK(ranked, op.Shape(score, start=1, end=2), axis=1)
    chosen = op.Cast(column, to=1) < op.Unsqueeze(count, [1])
    marks = op.ScatterElements(order, order, op.Cast(chosen, to=7), axis=1)
    return op.And(real, op.Cast(marks, to=9))


@script(portable, default_opset=op)
def Finish(keep, real, column, context, keep_first: int):
    """Keep the first token where the policy says so; where it is pruned, its sequence is finished.

    Returns:
        survives [B, n] bool; false for all tokens of a finished sequence.
        context [B, n, d]; zero but for survivors and first tokens.
    """
    first = op.And(real, op.Equal(column, op.Constant(value_int=0)))
    kept = op.Or(keep, op.And(first, op.Cast(op.Constant(value_int=keep_first), to=9)))
    survives = op.And(kept, op.Slice(kept, [0], [1], [1]))
    needed = op.Unsqueeze(op.Or(survives, first), [2])
    return survives, op.Where(needed, context, op.Constant(value_float=0.0))


@script(portable, default_opset=op)
def Carried(carried, survives, context, place, qkv):
    """The op's outputs for the rows where `carried` [B, n] is true, in order, and their count."""
    index = op.Transpose(op.NonZero(carried), perm=[1, 0])
    counts = op.CumSum(op.ReduceSum(op.Cast(carried, to=6), [1], keepdims=0), [0])
    return (
        op.CastLike(op.GatherND(context, index), qkv),
        op.Cast(op.GatherND(place, index), to=6),
        op.Concat(op.Cast([0], to=6), counts, axis=0),
        op.GatherND(op.Cast(survives, to=6), index),
        op.Cast(op.Squeeze(op.Shape(index, start=0, end=1)), to=6),
    )


@script(portable, default_opset=op)
def CarrySurvivors(survives, context, place, column, inside, qkv):
    """Compaction: survivors, and the first row of a sequence that has none."""
    chosen = op.Or(survives, op.Equal(column, op.Constant(value_int=0)))
    rows, kept, offsets, alive, count = Carried(
        op.And(inside, chosen), survives, context, place, qkv
    )
    return rows, kept, offsets, alive, count


@script(portable, default_opset=op)
def CarryFirst(survives, context, place, column, inside, qkv):
    """The first row of each sequence."""
    first = op.Equal(column, op.Constant(value_int=0))
    rows, kept, offsets, alive, _ = Carried(op.And(inside, first), survives, context, place, qkv)
    return rows, kept, offsets, alive


@script(portable, default_opset=op)
def Filled(rows, kept, alive, count, qkv):
    """Results padded to as many rows as came in: zero, not alive, standing for row 0."""
    missing = op.Shape(qkv, start=0, end=1) - op.Cast(op.Reshape(count, [1]), to=7)
    after = op.Concat([0], missing, axis=0)
    below = op.Concat([0, 0], missing, [0], axis=0)
    return op.Pad(rows, below), op.Pad(kept, after), op.Pad(alive, after)


@script(portable, default_opset=op)
def CarryAll(survives, context, place, column, inside, qkv):
    """All rows, where they are."""
    rows, kept, offsets, alive, count = Carried(inside, survives, context, place, qkv)
    rows, kept, alive = Filled(rows, kept, alive, count, qkv)
    end = op.Squeeze(op.Shape(qkv, start=0, end=1))
    every = op.Range(op.Constant(value_int=0), end, op.Constant(value_int=1))
    return rows, op.Cast(every, to=6), offsets, alive


@script(portable, default_opset=op)
def CarryBounded(survives, context, place, column, inside, qkv):
    """What `CarrySurvivors` carries, at the front of as many rows as came in."""
    chosen = op.Or(survives, op.Equal(column, op.Constant(value_int=0)))
    rows, kept, offsets, alive, count = Carried(
        op.And(inside, chosen), survives, context, place, qkv
    )
    rows, kept, alive = Filled(rows, kept, alive, count, qkv)
    return rows, kept, offsets, alive


KEEP = (KeepNone, KeepAbsolute, KeepRelative, KeepTopK)  # by Mode
CARRY = (CarryAll, CarrySurvivors, CarryFirst, CarryBounded)  # by Carry
FUNCTIONS = (Attend, *KEEP, Finish, Carried, Filled, *CARRY)
