"""What a layered paging problem is: layers, the experts of each, and slots."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from ..errors import ParameterError

__all__ = ["Instance", "flag", "integer", "seconds_above_0", "shown"]

MOST_LAYERS = 1 << 20  # a width is kept for each layer


def shown(value: object) -> str:
    """Return a value as Python writes it, cut where it is long; a value that cannot be written is told by its class."""
    try:
        text = repr(value)
    except Exception:  # repr is the caller's code; an int of many digits has none
        text = f"a value of class {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:150]}... ({len(text)} characters)"


def integer(name: str, value: object, least: int, most: int | None = None, why: str = "") -> int:
    """Return ``value`` as an int of ``least`` to ``most``, or raise ``ParameterError``, which says ``why`` not more.

    Whatever Python takes as an index is an integer, NumPy's integers and its arrays of one whole number without axes
    included.  Truth values, floats such as 2.0 and texts are none.
    """
    try:
        number = value.__index__()  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        raise ParameterError(f"must be an integer of at least {least}; got {shown(value)}", parameter=name) from None
    if isinstance(value, bool) or number < least:
        raise ParameterError(f"must be an integer of at least {least}; got {shown(value)}", parameter=name)
    if number.bit_length() > 4096:  # Python writes no int of many more digits
        raise ParameterError(f"must be below 2^4096; got one of {number.bit_length()} bits", parameter=name)
    if most is not None and number > most:
        raise ParameterError(f"must be at most {most}{why and ': '}{why}; got {shown(value)}", parameter=name)
    return int(number)


def flag(name: str, value: object) -> bool:
    """Return a bool of Python or NumPy as one of Python; a word such as "no", which counts as true, is refused."""
    if type(value).__name__ not in ("bool", "bool_"):
        raise ParameterError(f"must be True or False; got {shown(value)}", parameter=name)
    return bool(value)


def seconds_above_0(name: str, value: float | None) -> None:
    """Raise ``ParameterError`` unless ``value`` is a number of seconds above 0, or None."""
    if value is not None and (not isinstance(value, Real) or isinstance(value, bool) or not value > 0):
        raise ParameterError(f"must be above 0 seconds; got {shown(value)}", parameter=name)


@dataclass(frozen=True, init=False)
class Instance:
    """Layers of pages and a cache of slots.

    Pages are numbered through the layers: page = (number of experts in lower layers) + expert,
    which is ``layer * experts + expert`` where all layers have the same width.

    Parameters
    ----------
    layers : int
        Number of layers, at least 1 and at most 2^20.
    experts : int or sequence of int
        Pages of each layer, at least 1; one int for all layers or one for each.
    slots : int
        Slots of the cache, at least 1.

    Raises
    ------
    ParameterError
        A value is not an integer in its range, or the widths are not one per layer.

    Examples
    --------
    >>> problem = Instance(layers=3, experts=4, slots=6)
    >>> problem.pages, problem.layer_of(5), problem.page(1, 1)
    (12, 1, 5)
    """

    layers: int
    experts: tuple[int, ...]
    slots: int
    first: tuple[int, ...]

    def __init__(self, layers: int, experts: int | Sequence[int], slots: int) -> None:
        count = integer("layers", layers, 1)
        if count > MOST_LAYERS:
            raise ParameterError(f"must be at most {MOST_LAYERS}; got {layers!r}", parameter="layers")
        if isinstance(experts, Sequence) and not isinstance(experts, str):
            widths = tuple(integer(f"experts of layer {j}", n, 1) for j, n in enumerate(experts))
            if len(widths) != count:
                raise ParameterError(
                    f"must be one int, or one for each of the {count} layers; got {len(widths)}", parameter="experts"
                )
        else:
            widths = (integer("experts", experts, 1),) * count
        first = [0]
        for n in widths:
            first.append(first[-1] + n)
        object.__setattr__(self, "layers", count)
        object.__setattr__(self, "experts", widths)
        object.__setattr__(self, "slots", integer("slots", slots, 1))
        object.__setattr__(self, "first", tuple(first))

    @property
    def pages(self) -> int:
        """Number of pages over all layers."""
        return self.first[-1]

    def layer_of(self, page: int) -> int:
        """Return the layer of a page; O(log layers)."""
        if not 0 <= page < self.pages:
            raise ParameterError(f"must be in 0..{self.pages - 1}; got {page}", parameter="page")
        return bisect_right(self.first, page) - 1

    def page(self, layer: int, expert: int) -> int:
        """Return the page number of an expert of a layer."""
        if not 0 <= layer < self.layers:
            raise ParameterError(f"must be in 0..{self.layers - 1}; got {layer}", parameter="layer")
        if not 0 <= expert < self.experts[layer]:
            raise ParameterError(f"expert of layer {layer} must be in 0..{self.experts[layer] - 1}; got {expert}")
        return self.first[layer] + expert

    def pages_of(self, layer: int) -> range:
        """Return the pages of a layer."""
        return range(self.first[layer], self.first[layer + 1])
