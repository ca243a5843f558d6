"""What PTX instructions make of numbers, by their first names, from the PTX manual.

Each entry takes the rest of the opcode and gives a function of numpy values and the types that it
takes them as.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

TYPES = {
    f"{kind}{8 * size}": np.dtype(f"{code}{size}")
    for kind, code in {"b": "u", "u": "u", "s": "i"}.items()
    for size in (1, 2, 4, 8)
} | {"f16": np.dtype("f2"), "f32": np.dtype("f4"), "pred": np.dtype(bool)}

Meaning = tuple[Callable[..., Any], tuple[np.dtype, ...]]
U32 = TYPES["u32"]


def _typed(
    function: Callable[..., Any], count: int, *without_effect: str
) -> Callable[..., Meaning]:
    def meaning(*how: str) -> Meaning:
        if not set(how[:-1]) <= set(without_effect):
            raise ValueError(how)
        return function, (TYPES[how[-1]],) * count

    return meaning


def _either(real: Callable[..., Any], integer: Callable[..., Any]) -> Callable[..., Meaning]:
    def meaning(kind: str) -> Meaning:
        return real if kind[0] == "f" else integer, (TYPES[kind],) * 2

    return meaning


def _mul(*how: str) -> Meaning:
    kind = TYPES[how[-1]]
    twice = TYPES[f"{how[-1][0]}{16 * kind.itemsize}"] if how[0] in ("wide", "hi") else kind
    functions = {
        "": lambda a, b: a * b,
        "rn": lambda a, b: a * b,
        "lo": lambda a, b: a * b,
        "wide": lambda a, b: a.astype(twice) * b.astype(twice),
        "hi": lambda a, b: (a.astype(twice) * b.astype(twice) >> 8 * kind.itemsize).astype(kind),
    }
    return functions[".".join(how[:-1])], (kind, kind)


def _mad(*how: str) -> Meaning:
    if how[0] != "lo":
        raise ValueError(how)
    product, (kind, _) = _mul(*how)
    return lambda a, b, c: product(a, b) + c, (kind,) * 3


def _div(*how: str) -> Meaning:
    if how == ("rn", "f32"):
        return lambda a, b: a / b, (TYPES["f32"],) * 2
    if how != ("s32",):
        raise ValueError(how)
    kind = TYPES["s32"]  # toward zero, and exact in float64
    return lambda a, b: np.trunc(a.astype("f8") / b.astype("f8")).astype(kind), (kind, kind)


def _set_predicate(comparison: str, kind: str) -> Meaning:
    compare = {
        "eq": np.equal,
        "ne": np.not_equal,
        "lt": np.less,
        "le": np.less_equal,
        "gt": np.greater,
        "ge": np.greater_equal,
    }
    types = (TYPES[kind],) * 2
    if kind[0] != "f":
        return compare[comparison], types
    if comparison in ("num", "nan"):
        return lambda a, b: (np.isnan(a) | np.isnan(b)) == (comparison == "nan"), types
    of_numbers = compare[comparison[:2]]
    if comparison.endswith("u"):
        return lambda a, b: of_numbers(a, b) | np.isnan(a) | np.isnan(b), types
    return lambda a, b: of_numbers(a, b) & ~(np.isnan(a) | np.isnan(b)), types


def _convert(*how: str) -> Meaning:
    *rounding, to, given = how
    if to == "f16x2":
        if rounding != ["rn"] or given != "f32":
            raise ValueError(how)
        return _two_halves, (TYPES["f32"],) * 2
    kind, source = TYPES[to], TYPES[given]
    if given[0] == "f" and rounding in (["rni"], ["rzi"]):
        round_ = np.rint if rounding == ["rni"] else np.trunc
        if to[0] == "f":
            return round_, (source,)
        low, high = (kind.type(limit) for limit in (np.iinfo(kind).min, np.iinfo(kind).max))
        of_nan = np.uint64(1 << 63).astype(kind) if kind.itemsize == 8 else kind.type(0)

        def to_integer(x: Any) -> Any:
            x = round_(x).astype("f8")
            inside = (x > low) & (x < high)
            beyond = np.where(x > 0, high, np.where(np.isnan(x), of_nan, low))
            return np.where(inside, np.where(inside, x, 0).astype(kind), beyond)

        return to_integer, (source,)
    widens = to[0] == "f" and given[0] == "f" and kind.itemsize > source.itemsize
    integers = to[0] != "f" and given[0] != "f"
    if rounding != ([] if widens or integers else ["rn"]):
        raise ValueError(how)
    return lambda x: x.astype(kind), (source,)


def _two_halves(high: Any, low: Any) -> Any:
    bits = [x.astype("f2").view("u2").astype(U32) for x in (high, low)]
    return bits[0] << np.uint32(16) | bits[1]


def _shift(shift: Callable[..., Any]) -> Callable[..., Meaning]:
    def meaning(kind: str) -> Meaning:
        dtype, most = TYPES[kind], 8 * TYPES[kind].itemsize - 1

        def shifted(x: Any, by: Any) -> Any:
            found = shift(x, np.minimum(by, most).astype(dtype))
            beyond = x >> np.array(most, dtype) if kind[0] == "s" else np.zeros_like(x)
            return np.where(by > most, beyond, found)

        return shifted, (dtype, U32)

    return meaning


def _select(kind: str) -> Meaning:
    dtype = TYPES[kind]
    return lambda a, b, chosen: np.where(chosen, a, b), (dtype, dtype, TYPES["pred"])


def _insert_bits(kind: str) -> Meaning:
    dtype = TYPES[kind]

    def inserted(bits: Any, into: Any, at: Any, count: Any) -> Any:
        at, one = at.astype(dtype), dtype.type(1)
        mask = (one << count.astype(dtype)) - one << at
        return into & ~mask | bits << at & mask

    return inserted, (dtype, dtype, U32, U32)


def _leading_zeros(*how: str) -> Meaning:
    if how != ("shiftamt", "u32"):
        raise ValueError(how)
    exponent = lambda x: np.frexp(x.astype("f8"))[1]  # noqa: E731
    return lambda x: np.where(x == 0, U32.type(-1 & 0xFFFFFFFF), (32 - exponent(x)).astype(U32)), (
        U32,
    )


def _reverse_bits(kind: str) -> Meaning:
    if kind != "b32":
        raise ValueError(kind)

    def reversed_(x: Any) -> Any:
        bits = np.unpackbits(np.ascontiguousarray(x).view(np.uint8))
        return np.packbits(bits, bitorder="little").view(U32).byteswap()

    return reversed_, (U32,)


def _power_of_two(*how: str) -> Meaning:
    if how != ("approx", "ftz", "f32"):
        raise ValueError(how)

    def power(x: Any) -> Any:
        y = np.exp2(x)
        return np.where(y < np.finfo(np.float32).tiny, np.float32(0), y)

    return power, (TYPES["f32"],)


def _fused(a: Any, b: Any, c: Any) -> Any:
    """A float64 holds the product of two float32 exactly; the sum's rounding there is as good as
    none, unless it comes within 2^-29 of a tie."""
    return (a.astype("f8") * b.astype("f8") + c.astype("f8")).astype("f4")


MEANINGS: dict[str, Callable[..., Meaning]] = {
    "add": _typed(lambda a, b: a + b, 2, "rn"),
    "sub": _typed(lambda a, b: a - b, 2, "rn"),
    "mul": _mul,
    "mad": _mad,
    "fma": _typed(_fused, 3, "rn"),
    "div": _div,
    "rcp": _typed(lambda a: np.float32(1) / a, 1, "rn"),
    "sqrt": _typed(np.sqrt, 1, "rn"),
    "ex2": _power_of_two,
    "neg": _typed(lambda a: -a, 1),
    "min": _either(np.fmin, np.minimum),
    "max": _either(np.fmax, np.maximum),
    "and": _typed(lambda a, b: a & b, 2),
    "or": _typed(lambda a, b: a | b, 2),
    "xor": _typed(lambda a, b: a ^ b, 2),
    "not": _typed(lambda a: ~a, 1),
    "shl": _shift(np.left_shift),
    "shr": _shift(np.right_shift),
    "bfi": _insert_bits,
    "bfind": _leading_zeros,
    "brev": _reverse_bits,
    "popc": _typed(lambda a: np.bitwise_count(a).astype(U32), 1),
    "setp": _set_predicate,
    "selp": _select,
    "cvt": _convert,
    "cvta": lambda *how: (lambda a: a, (TYPES[how[-1]],)),
}
