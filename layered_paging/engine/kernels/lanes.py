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
    "BITS",
    "LANES",
    "add",
    "add_full",
    "bits_of",
    "both",
    "bytes_of",
    "choose_equal",
    "count_set",
    "differ",
    "eight_of",
    "eight_times",
    "either",
    "fold",
    "greatest",
    "larger",
    "least",
    "load",
    "load_bits",
    "multiply",
    "numbered",
    "save",
    "save_bits",
    "shift_left",
    "shift_right",
    "shift_words",
    "smaller",
    "spread",
    "stretch",
    "subtract",
    "total",
    "widen",
    "words_of",
]

LANES, BITS = 32, 256


class _Vector(types.Type):
    """So many unsigned integers of so many bits."""

    def __init__(self, bits: int, count: int) -> None:
        self.bits, self.count = bits, count
        super().__init__(name=f"vector{count}x{bits}")


_BYTES, _WORDS, _EIGHT, _BITS = _Vector(8, LANES), _Vector(16, LANES), _Vector(32, 8), _Vector(64, 4)


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


@intrinsic
def load_bits(typing_context: Any, array: Any, at: Any) -> Any:
    """Return 256 bits from the bytes array[at : at + 32]."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _pointer(context, builder, signature, *given)
        return builder.load(builder.bitcast(pointer, _of(64, 4).as_pointer()), align=1)

    return _BITS(array, at), build


@intrinsic
def save_bits(typing_context: Any, array: Any, at: Any, x: Any) -> Any:
    """Set the bytes array[at : at + 32] to 256 bits."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _pointer(context, builder, signature, *given[:2])
        builder.store(given[2], builder.bitcast(pointer, _of(64, 4).as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, at, x), build


@intrinsic
def spread(typing_context: Any, bits: Any) -> Any:
    """Return bytes that are 255 where one of 32 bits is set, from the lowest on."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        number = builder.trunc(context.cast(builder, given[0], bits, types.int64), ir.IntType(32))
        return builder.sext(builder.bitcast(number, _of(1)), _of(8))

    return _BYTES(bits), build


def _filled(vector: _Vector) -> Any:
    def fill(typing_context: Any, value: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return _all(builder, context.cast(builder, given[0], value, types.int64), vector.bits, vector.count)

        return vector(value), build

    return intrinsic(fill)


bytes_of = _filled(_BYTES)  # every lane the same
words_of = _filled(_WORDS)
eight_of = _filled(_EIGHT)
bits_of = _filled(_BITS)


def _call(builder: Any, name: str, x: Any, y: Any) -> Any:
    kind = ir.FunctionType(x.type, [x.type, x.type])
    name = f"llvm.{name}.v{x.type.count}i{x.type.element.width}"
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), [x, y])


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
differ = _pairwise(lambda builder, x, y: builder.xor(x, y))
either = _pairwise(lambda builder, x, y: builder.or_(x, y))
shift_left = _pairwise(lambda builder, x, y: builder.shl(x, y))
shift_right = _pairwise(lambda builder, x, y: builder.lshr(x, y))
add_full = _pairwise(lambda builder, x, y: _call(builder, "uadd.sat", x, y))  # at most what fits
larger = _pairwise(lambda builder, x, y: builder.select(builder.icmp_unsigned(">", x, y), x, y))
smaller = _pairwise(lambda builder, x, y: builder.select(builder.icmp_unsigned("<", x, y), x, y))


@intrinsic
def shift_words(typing_context: Any, x: Any, y: Any) -> Any:
    """Return bytes, two together as a word, shifted right by the first lane of y."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        words = builder.bitcast(given[0], _of(16, LANES // 2))
        first = builder.shuffle_vector(given[1], given[1], ir.Constant(_of(32, LANES // 2), [0] * (LANES // 2)))
        return builder.bitcast(builder.lshr(words, first), _of(8))

    return x(x, y), build


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
def numbered(typing_context: Any, x: Any) -> Any:
    """Return 32 * x + lane for words below 2048: all lanes are then different, and the smallest one says which it is."""
    if x is not _WORDS:
        return None

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        shifted = builder.shl(given[0], ir.Constant(_of(16), [5] * LANES))
        return builder.or_(shifted, ir.Constant(_of(16), list(range(LANES))))

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

    What is compared is ``most << 8 | 255 - (4 * where + lane // 8)`` of bytes: the larger, then the earlier one.
    """
    if most is not _BYTES or where is not _BYTES:
        return None

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        high, low = (builder.zext(x, _of(16)) for x in given)
        lane = ir.Constant(_of(16), [255 - i // 8 for i in range(LANES)])
        high = builder.shl(high, ir.Constant(_of(16), [8] * LANES))
        low = builder.shl(low, ir.Constant(_of(16), [2] * LANES))
        lanes = builder.or_(high, builder.sub(lane, low))
        size = LANES
        while size > _EIGHT.count:
            size //= 2
            parts = (ir.Constant(_of(32, size), list(range(begin, begin + size))) for begin in (0, size))
            halves = [builder.shuffle_vector(lanes, lanes, part) for part in parts]
            lanes = builder.select(builder.icmp_unsigned(">", *halves), *halves)
        return builder.zext(lanes, _of(32, 8))

    return _EIGHT(most, where), build


@intrinsic
def eight_times(typing_context: Any, x: Any) -> Any:
    """Return 8 * x + lane."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        shifted = builder.shl(given[0], ir.Constant(_of(32, 8), [3] * 8))
        return builder.or_(shifted, ir.Constant(_of(32, 8), list(range(8))))

    return x(x), build
