"""Vectors of 32 lanes for kernels whose loops must become vector instructions whatever the compiler can prove.

A loop over several arrays is vectorised only when the compiler knows that they do not overlap, and numba
cannot tell it so.  Here a kernel says what it means: ``load`` takes 32 neighbouring elements of a one-dimensional
array of uint8 or uint16, the rest works lane by lane on unsigned numbers that wrap around, ``save`` writes them back.
On any processor: LLVM takes its widest instructions.  Positions are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

__all__ = [
    "LANES",
    "add",
    "at_lane",
    "both",
    "bytes_of",
    "choose_equal",
    "count_set",
    "eight_of",
    "either",
    "fold",
    "greatest",
    "larger",
    "least",
    "load",
    "multiply",
    "ranked",
    "save",
    "shift_left",
    "shift_right",
    "smaller",
    "stretch",
    "subtract",
    "total",
    "widen",
    "words_of",
]

LANES = 32


class _Vector(types.Type):
    """So many unsigned integers of so many bits."""

    def __init__(self, bits: int, count: int) -> None:
        self.bits, self.count = bits, count
        super().__init__(name=f"vector{count}x{bits}")


_BYTES, _WORDS, _EIGHT = _Vector(8, LANES), _Vector(16, LANES), _Vector(32, 8)


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, _of(kind.bits, kind.count))


def _of(bits: int, count: int = LANES) -> ir.VectorType:
    return ir.VectorType(ir.IntType(bits), count)


def _all(builder: Any, value: Any, bits: int, count: int = LANES) -> Any:
    """Return a vector whose lanes all hold the low bits of an integer."""
    number = builder.trunc(value, ir.IntType(bits))
    nothing = ir.Constant(_of(bits, count), ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_of(32, count), [0] * count))


def _pointer(context: Any, builder: Any, signature: Any, array: Any, at: Any) -> Any:
    vector = _HOLDS[signature.args[0].dtype.bitwidth]
    data = context.make_array(signature.args[0])(context, builder, array).data
    index = context.cast(builder, at, signature.args[1], types.intp)
    return builder.bitcast(builder.gep(data, [index]), _of(vector.bits, vector.count).as_pointer())


_HOLDS = {vector.bits: vector for vector in (_BYTES, _WORDS, _EIGHT)}


@intrinsic
def load(typing_context: Any, array: Any, at: Any) -> Any:
    """Return array[at : at + LANES], or eight elements of uint32."""
    vector = _HOLDS[array.dtype.bitwidth]

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, *given), align=vector.bits // 8)

    return vector(array, at), build


@intrinsic
def save(typing_context: Any, array: Any, at: Any, x: Any) -> Any:
    """Set array[at : at + LANES], or eight elements of uint32."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.store(given[2], _pointer(context, builder, signature, *given[:2]), align=x.bits // 8)
        return context.get_dummy_value()

    return types.void(array, at, x), build


def _filled(vector: _Vector) -> Any:
    def fill(typing_context: Any, value: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return _all(builder, context.cast(builder, given[0], value, types.int64), vector.bits, vector.count)

        return vector(value), build

    return intrinsic(fill)


bytes_of = _filled(_BYTES)  # every lane the same
words_of = _filled(_WORDS)
eight_of = _filled(_EIGHT)


@intrinsic
def at_lane(typing_context: Any, lane: Any) -> Any:
    """Return bytes that are 255 in one lane (modulo 256) and 0 elsewhere: everywhere, if there is no such lane."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        number = _all(builder, context.cast(builder, given[0], lane, types.int64), 8)
        lanes = ir.Constant(_of(8), list(range(LANES)))
        return builder.sext(builder.icmp_unsigned("==", number, lanes), _of(8))

    return _BYTES(lane), build


def _pairwise(operation: Callable[[Any, Any, Any], Any]) -> Any:
    def pair(typing_context: Any, x: Any, y: Any) -> Any:
        if x is not y:
            return None

        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return operation(builder, *given)

        return x(x, y), build

    return intrinsic(pair)


add = _pairwise(lambda builder, x, y: builder.add(x, y))
subtract = _pairwise(lambda builder, x, y: builder.sub(x, y))
multiply = _pairwise(lambda builder, x, y: builder.mul(x, y))
both = _pairwise(lambda builder, x, y: builder.and_(x, y))
either = _pairwise(lambda builder, x, y: builder.or_(x, y))
shift_left = _pairwise(lambda builder, x, y: builder.shl(x, y))
shift_right = _pairwise(lambda builder, x, y: builder.lshr(x, y))
larger = _pairwise(lambda builder, x, y: builder.select(builder.icmp_unsigned(">", x, y), x, y))
smaller = _pairwise(lambda builder, x, y: builder.select(builder.icmp_unsigned("<", x, y), x, y))


@intrinsic
def widen(typing_context: Any, x: Any) -> Any:
    """Return bytes as words."""
    return _WORDS(x), lambda context, builder, signature, given: builder.zext(given[0], _of(16))


@intrinsic
def stretch(typing_context: Any, x: Any) -> Any:
    """Return bytes 0 and 255 as words 0 and 65535."""
    return _WORDS(x), lambda context, builder, signature, given: builder.sext(given[0], _of(16))


@intrinsic
def choose_equal(typing_context: Any, x: Any, y: Any, one: Any, other: Any) -> Any:
    """Return ``one`` in the lanes where x == y, ``other`` elsewhere."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.select(builder.icmp_unsigned("==", given[0], given[1]), given[2], given[3])

    return one(x, y, one, other), build


def _reduced(operation: str) -> Any:
    def reduce(typing_context: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            name = f"llvm.vector.reduce.{operation}.v{x.count}i{x.bits}"
            kind = ir.FunctionType(ir.IntType(x.bits), [_of(x.bits, x.count)])
            function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            return builder.zext(builder.call(function, given), ir.IntType(64))

        return types.int64(x), build

    return intrinsic(reduce)


least = _reduced("umin")  # of the lanes
greatest = _reduced("umax")
total = _reduced("add")  # must fit into a lane


@intrinsic
def ranked(typing_context: Any, x: Any) -> Any:
    """Return 32 times the logarithm of words (to base 2, times 128, linear between powers of 2, at most 2046) plus the lane.

    All lanes are then different, and the smallest one says which it is.  Words must not be 0.
    """
    if x is not _WORDS:
        return None

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        def each(number: int, bits: int) -> Any:
            return ir.Constant(_of(bits), [number] * LANES)

        floats = builder.uitofp(given[0], ir.VectorType(ir.FloatType(), LANES))  # exact: 16 bits
        logs = builder.trunc(builder.lshr(builder.bitcast(floats, _of(32)), each(16, 32)), _of(16))
        logs = builder.sub(logs, each(127 << 7, 16))
        logs = builder.select(builder.icmp_unsigned("<", logs, each(2046, 16)), logs, each(2046, 16))
        return builder.or_(builder.shl(logs, each(5, 16)), ir.Constant(_of(16), list(range(LANES))))

    return x(x), build


@intrinsic
def count_set(typing_context: Any, x: Any) -> Any:
    """Return the number of lanes that are not 0."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        some = builder.icmp_unsigned("!=", given[0], ir.Constant(_of(x.bits), [0] * LANES))
        return builder.zext(builder.ctpop(builder.bitcast(some, ir.IntType(LANES))), ir.IntType(64))

    return types.int64(x), build


@intrinsic
def fold(typing_context: Any, most: Any, where: Any) -> Any:
    """Return the largest of lanes 0, 8, 16, 24; of lanes 1, 9, 17, 25; and so on to 7.

    What is compared is ``most << 13 | 8191 - (LANES * where + lane)``: the larger, then the earlier one.
    """
    if most is not _WORDS or where is not _WORDS:
        return None

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        def each(number: int) -> Any:
            return ir.Constant(_of(32), [number] * LANES)

        high, low = (builder.zext(x, _of(32)) for x in given)
        lane = ir.Constant(_of(32), [8191 - i for i in range(LANES)])
        lanes = builder.add(builder.shl(high, each(13)), builder.sub(lane, builder.shl(low, each(5))))
        size = LANES
        while size > _EIGHT.count:
            size //= 2
            parts = (ir.Constant(_of(32, size), list(range(begin, begin + size))) for begin in (0, size))
            halves = [builder.shuffle_vector(lanes, lanes, part) for part in parts]
            lanes = builder.select(builder.icmp_unsigned(">", *halves), *halves)
        return lanes

    return _EIGHT(most, where), build
