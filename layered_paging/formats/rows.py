"""From the rows of a table, in any order, to a trace."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace
from ..errors import FormatError
from .base import Reading
from .cells import Block
from .common import afford, build, id_dtype
from .counting import counted_from
from .layout import Facts, widths_of
from .names import each
from .token_numbers import refuse_unordered, skipped_tokens, turned_back

__all__ = ["Names", "Rows", "Table", "phase_of", "place_ids"]

Ints = npt.NDArray[Any]
_PREFILL = (
    "prefill",
    "prompt",
    "extend",
    "context",
    "source",
    "decoder_prompt",
    "pre",
    "p",
    "prompt_processing",
    "encode",
)
_DECODE = (
    "decode",
    "generated",
    "generation",
    "generate",
    "gen",
    "decoder_generated",
    "d",
    "sample",
    "decoding",
    "token_generation",
)
_NUMBER = re.compile(r"\d{1,9}")
_LAYER = re.compile(r"(?:^|[._\s/\[])(?:layers?|blocks?|blk|h|l)[._\s/\[]*(\d{1,9})", re.IGNORECASE)
KEPT = 10_000  # names of requests that are kept at most


class Names:
    """Values met so far and their numbers, in the order in which they first came."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def codes(self, codes: Ints, values: list[Any]) -> Ints:
        """Return the numbers of a block's values."""
        table = np.array([self.known.setdefault(value, len(self.known)) for value in values], np.int32)
        return table[codes] if len(table) else codes.astype(np.int32)

    @property
    def values(self) -> list[Any]:
        """The values, by number."""
        return list(self.known)


class Rows(NamedTuple):
    """Some rows: one entry each, ids and weights flat with ``counts`` of them in each row."""

    token: Ints | None
    layer: Ints
    request: Ints | None
    phase: Ints | None
    ids: Ints
    counts: Ints
    rank: Ints | None
    weights: Ints | None


def phase_of(value: Any) -> int | None:
    """Return the stage that a word or number stands for, or None."""
    if value in (PREFILL, DECODE) and not isinstance(value, bool):
        return int(value)
    word = str(value).lower().strip()
    return PREFILL if word in _PREFILL else DECODE if word in _DECODE else None


def _small(values: Ints) -> Ints:
    """Return integers in the least type that holds them."""
    if not values.size:
        return values.astype(np.int16)
    low, high = int(values.min()), int(values.max())
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind, copy=False)
    return values


@dataclass
class Table:
    """Rows collected block by block, and made a trace at the end.

    Attributes
    ----------
    path : Path
        What messages name.
    columns : mapping
        Role -> name of the column.
    how : Reading
    """

    path: Path
    columns: dict[str, str]
    how: Reading
    layers: Names = field(default_factory=Names)
    requests: Names = field(default_factory=Names)
    phases: Names = field(default_factory=Names)
    rows: list[Rows] = field(default_factory=list)
    held: int = 0
    weighed: bool = True
    others: tuple[str, ...] = ()  # columns that could number passes
    lists: bool = False  # each row has a list of experts, though it may be of one

    def rows_of(self, block: Block) -> Rows:
        """Return a block's rows as arrays."""
        name = self.columns.get
        token, request, phase, rank, weight = (name(r) for r in ("token", "request", "phase", "rank", "weight"))
        ids, counts = block.lists(*each(self.columns["experts"]))
        weights = None
        if weight is not None and self.weighed:
            weights, sizes = block.floats(*each(weight))
            if not np.array_equal(sizes, counts):
                weights = None
        return Rows(
            None if token is None else _small(block.ints(token)),
            _small(self.layers.codes(*block.words(self.columns["layer"]))),
            None if request is None else _small(self.requests.codes(*block.words(request))),
            None if phase is None else _small(self.phases.codes(*block.words(phase))),
            _small(ids),
            _small(counts),
            None if rank is None else _small(block.ints(rank)),
            None if weights is None else weights.astype(np.float32),
        )

    def keep(self, rows: Rows) -> None:
        """Keep a block's rows."""
        self.weighed = self.weighed and rows.weights is not None
        self.held += sum(column.nbytes for column in rows if column is not None)
        afford(self.path, "the rows", 2 * self.held)
        self.rows.append(rows)

    def column(self, at: int) -> Ints | None:
        """Return one column of all rows and let go of its parts."""
        parts = [rows[at] for rows in self.rows]
        if any(part is None for part in parts):
            return None
        whole: Ints = np.concatenate(parts)  # type: ignore[arg-type]
        self.rows = [rows._replace(**{Rows._fields[at]: None}) for rows in self.rows]  # type: ignore[arg-type]
        return whole

    def trace(self, meta: dict[str, Any]) -> Trace:
        """Make the trace; what it assumes is noted."""
        if not self.rows:
            raise FormatError(f"{self.path}: must hold at least one row; there is only the header")
        token, layer, request, phase, ids, counts, rank, weights = (self.column(at) for at in range(len(Rows._fields)))
        assert layer is not None and ids is not None and counts is not None
        meta = dict(meta)
        order = layer_order(self.layers.values, meta, self.how)
        place_of_layer = np.empty(len(order), np.int64)
        place_of_layer[order] = np.arange(len(order))
        layer = _small(place_of_layer[layer])
        session = self._sessions(request, meta)
        single = bool((counts <= 1).all()) and not self.lists
        if token is None:
            token = self._running(session, layer, single)
        elif session is None:
            session = self._restarts(token, layer, single, rank)
        round_of, starts = rounds_of(self.path, session, token)
        rounds = int(round_of.max()) + 1
        refuse_unordered(self.path, round_of, token, starts, rounds)
        lane = layer if session is None else _small(session.astype(np.int64) * len(order) + layer)
        back = turned_back(lane, round_of)
        if back is not None:
            why = f"rows come in another order: token {token[back]} of row {back + 1} comes after a later one of its layer"
            self.how.assume("tokens", "in order of their numbers", why)
        skipped = skipped_tokens(round_of, token, starts, rounds)
        if skipped:
            meta["skipped_tokens"] = skipped
            self.how.assume("tokens", "one after the other", f"{skipped} of their numbers have no row")
        stage = self._stage(phase, round_of, rounds)
        widths = widths_of(self.path, Facts(meta), self.how)
        if rounds > 1 and len(order) > rounds and bool((layer[1:] >= layer[:-1]).all()):
            token_name, layer_name = (self.columns.get(role, "no column") for role in ("token", "layer"))
            why = f"there are more of them ({len(order)}) than tokens ({rounds}): are {token_name!r} and {layer_name!r} exchanged?"
            self.how.assume("layers", "one after the other", why)
        ids, widths = self._ids(ids, widths)
        top_k, place = place_ids(
            self.path, round_of, layer, len(order), counts, rank if single else None, single, self.how
        )
        afford(
            self.path, f"{rounds} rounds of {len(order)} layers x top_k {top_k}", rounds * len(order) * (4 * top_k + 8)
        )
        shape, kind = (rounds, len(order), top_k), id_dtype(max(int(ids.max(initial=0)) + 1, 1))
        kept = slice(len(ids)) if place is None else place
        if place is None and len(ids) == rounds * len(order) * top_k:
            experts: Ints = ids.astype(kind, copy=False).reshape(shape)
        else:
            experts = np.full(shape, -1, kind)
            experts.reshape(-1)[kept] = ids
        gates = None
        if weights is not None and len(weights) == len(ids):
            gates = np.zeros(experts.shape, np.float32)
            gates.reshape(-1)[kept] = weights
            if not np.isfinite(gates[experts >= 0]).all():
                gates = None
                self.how.assume("weights", "left out", "some are not finite")
        elif "weight" in self.columns:
            self.how.assume("weights", "left out", "some rows have none, or not one for each expert")
        return build(self.path, experts, widths, starts, stage, None, meta, gates)

    def _sessions(self, request: Ints | None, meta: dict[str, Any]) -> Ints | None:
        """Return the session of each row: requests by their numbers, or names as they first come."""
        names = self.requests.values
        if request is None or len(names) <= 1:
            return None
        order = sorted(range(len(names)), key=lambda n: names[n]) if all(isinstance(n, int) for n in names) else None
        if order is not None:
            place = np.empty(len(order), np.int64)
            place[order] = np.arange(len(order))
            request = _small(place[request])
            names = [names[n] for n in order]
            early = np.flatnonzero(np.diff(np.maximum.accumulate(request), prepend=-1) > 1)
            if early.size:
                why = (
                    f"rows come in another order: request {names[request[early[0]]]} comes before one of a lower number"
                )
                self.how.assume("sessions", "in order of their numbers", why)
        if names != list(range(len(names))) and len(names) <= KEPT and "items" not in meta:
            meta["items"] = [{"name": name if isinstance(name, int) else str(name)[:80]} for name in names]
        changes = int(np.count_nonzero(np.diff(request)))
        if changes > len(names) - 1:
            self.how.assume("sessions", "one after the other", f"rows of {len(names)} requests come interleaved")
        return request

    def _restarts(self, token: Ints, layer: Ints, single: bool, rank: Ints | None) -> Ints | None:
        """Return sessions where the count of tokens starts again and rows would otherwise be about one event."""
        again = token[1:] < token[:-1]
        if not again.any():
            return None
        again &= layer[1:] <= layer[:-1]
        event = token.astype(np.int64) * (int(layer.max()) + 1) + layer
        if rank is not None:
            event = event * (int(rank.max()) + 2) + rank
        event -= int(event.min())
        if not again.any() or not repeats(event):
            return None
        if single and rank is None:
            raise FormatError(
                f"{self.path}: rows of one expert without a rank must come in order of tokens, or name their request; "
                f"the count of tokens goes back at row {int(np.flatnonzero(again)[0]) + 2}"
            )
        if self.others:
            raise FormatError(
                f"{self.path}: the count of tokens starts again, and column {self.others[0]!r} may number passes; say which "
                f"numbers tokens or requests: --columns token={self.others[0]} or request={self.others[0]}"
            )
        session = np.concatenate(([0], np.cumsum(again)))
        self.how.assume("sessions", int(session[-1]) + 1, "no column names requests; the count of tokens starts again")
        return session

    def _running(self, session: Ints | None, layer: Ints, single: bool) -> Ints:
        """Number the rows of each layer of a request in the order of the file."""
        if single and "rank" not in self.columns and self.how.tokens != "guess":
            raise FormatError(
                f"{self.path}: rows of one expert must have a column of tokens, or lists of experts; there is neither"
            )
        if self.how.tokens != "guess":
            each = np.bincount(layer)
            if len(set(each.tolist())) > 1:
                raise FormatError(
                    f"{self.path}: no column numbers tokens, and layers have different numbers of rows "
                    f"({int(each.min())} to {int(each.max())}), so that the n-th row of a layer need not be token n "
                    "(--columns token=NAME names a column, --guess-tokens takes the rows as they come)"
                )
        key = layer.astype(np.int64) if session is None else session.astype(np.int64) * (int(layer.max()) + 1) + layer
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        first = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
        count = np.arange(len(key)) - np.repeat(first, np.diff(np.append(first, len(key))))
        token = np.empty(len(key), np.int64)
        token[order] = count
        self.how.assume("tokens", "rows in file order", "no column numbers them: the n-th row of a layer is token n")
        return token

    def _stage(self, phase: Ints | None, round_of: Ints, rounds: int) -> Ints | None:
        """Return the stage of each round, or None where nothing says it."""
        if phase is None:
            self.how.assume("stage", "decode", "no column says which tokens are prefill")
            return None
        words = self.phases.values
        known = [phase_of(word) for word in words]
        if all(one is None for one in known):
            self.how.assume(
                "stage", "decode", f"{self.columns['phase']!r} says {words[0]!r}, neither prefill nor decode"
            )
            return None
        if None in known:
            odd = words[known.index(None)]
            raise FormatError(
                f"{self.path}: '{self.columns['phase']}' must say prefill or decode; got {str(odd)[:40]!r}"
            )
        if all(isinstance(word, int) for word in words):
            self.how.assume("stage", "0 prefill, 1 decode", f"{self.columns['phase']!r} holds numbers")
        each = np.array(known, np.int8)[phase]
        stage = np.empty(rounds, np.int8)
        stage[round_of] = each
        mixed = np.flatnonzero(stage[round_of] != each)
        if mixed.size:
            raise FormatError(
                f"{self.path}: '{self.columns['phase']}' must be one for each token; row {int(mixed[0]) + 1} differs"
            )
        return stage

    def _ids(self, ids: Ints, widths: Any) -> tuple[Ints, Any]:
        """Return ids counted from 0, and the number of experts; what tells is noted."""
        present = ids if ids.size and int(ids.min()) >= 0 else ids[ids >= 0]
        if not present.size:
            raise FormatError(f"{self.path}: a trace must hold at least one request; got none but -1")
        low, high = int(present.min()), int(present.max())
        dense = low == 1 and high <= 8 * len(present) and bool((np.bincount(present, minlength=high + 1)[1:] > 0).all())
        used = len(np.unique(present)) if widths is None and high >= 256 else None
        from_one, widths = counted_from(low, high, dense and len(present) >= 32 * high, widths, self.how, used)
        return (np.where(ids > 0, ids - 1, -1) if from_one else ids), widths


def layer_order(values: list[Any], meta: dict[str, Any], how: Reading) -> list[int]:
    """Return the numbers of the layers in order; their names go to meta where they are not 0, 1, 2, ..."""
    if all(isinstance(value, int) for value in values):
        order = sorted(range(len(values)), key=lambda n: values[n])
    else:
        templates: dict[str, int] = {}
        keys = []
        for value in values:
            match = _LAYER.search(str(value)) or _NUMBER.search(str(value))
            template = str(value) if match is None else str(value)[: match.start()] + str(value)[match.end() :]
            number = int(match[match.lastindex or 0]) if match else 0
            keys.append((templates.setdefault(template, len(templates)), number))
        order = sorted(range(len(values)), key=lambda n: keys[n])
    names = [values[n] for n in order]
    if names != list(range(len(names))):
        meta["layer_names"] = [name if isinstance(name, int) else str(name)[:200] for name in names]
        said = [str(name)[:60] for name in (names[0], names[-1])]
        how.assume("layers", f"0..{len(names) - 1}", f"the log calls them {said[0]} to {said[1]}")
    return order


def rounds_of(path: Path, session: Ints | None, token: Ints) -> tuple[Ints, Ints]:
    """Return the round of each row, and the first round of each session; rounds go by session and token."""
    low = int(token.min())
    span = int(token.max()) - low + 1
    sessions = 1 if session is None else int(session.max()) + 1
    if span * sessions >= 1 << 62:
        raise FormatError(f"{path}: tokens must be numbered within 2^62; got {low}..{low + span - 1}")
    if session is None and (token[1:] >= token[:-1]).all():
        rising = np.concatenate(([False], token[1:] != token[:-1]))
        return np.cumsum(rising, dtype=np.int32), np.zeros(1, np.int64)
    key = token.astype(np.int64) - low
    if session is not None:
        key += session.astype(np.int64) * span
    jump = np.diff(key)
    if (jump >= 0).all():
        round_of = np.concatenate(([0], np.cumsum(jump > 0)))
        first_row = np.concatenate(([0], np.flatnonzero(jump > 0) + 1))
        keys = key[first_row]
    elif span * sessions <= 4 * len(key) + (1 << 20):
        there = np.zeros(span * sessions, bool)
        there[key] = True
        keys = np.flatnonzero(there)
        rank = np.cumsum(there, dtype=np.int64) - 1
        round_of = rank[key]
    else:
        keys, round_of = np.unique(key, return_inverse=True)
    starts = np.zeros(1, np.int64) if session is None else np.flatnonzero(np.diff(keys // span, prepend=-1))
    return _small(round_of), starts


def place_ids(
    path: Path, round_of: Ints, layer: Ints, layers: int, counts: Ints, rank: Ints | None, single: bool, how: Reading
) -> tuple[int, Ints | None]:
    """Return top_k and where each id goes in the flat array of experts.

    One row an event: its list is its order.  Several rows of one id each: ``rank`` is their order, or the file's.

    Raises
    ------
    FormatError
        Two rows with lists, or with one rank, are about the same event.
    """
    event = round_of.astype(np.int64) * layers + layer
    if rank is not None:
        top = int(rank.max()) + 1
        place = event * top + rank
        _check_once(path, place, "token, layer and rank")
        here = place[counts == 1]
        sizes = np.bincount(here // top)
        short = int(np.count_nonzero((sizes > 0) & (sizes < top)))
        if short:
            how.assume(
                "rank",
                "none where a row is missing",
                f"{short} of {np.count_nonzero(sizes)} events have fewer than {top} rows",
            )
        return top, here
    again = repeats(event)
    if not again:
        top = max(1, int(counts.max()))
        if (counts == top).all():
            if event[0] == 0 and len(event) == event[-1] + 1 and (np.diff(event) == 1).all():
                return top, None  # rows in order, none missing but at the end
            return top, (event[:, None] * top + np.arange(top)).reshape(-1)
        inner = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts, dtype=np.int64) - counts, counts)
        return top, np.repeat(event * top, counts) + inner
    if not single:
        _check_once(path, event, "token and layer")
    order = np.argsort(event, kind="stable")
    ordered = event[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    sizes = np.diff(np.append(first, len(ordered)))
    running = np.empty(len(event), np.int64)
    running[order] = np.arange(len(event)) - np.repeat(first, sizes)
    top = int(sizes.max())
    how.assume("rank", "order of the rows", "several rows of one expert are one event, and none says its rank")
    return top, (event * top + running)[counts == 1]


def repeats(event: Ints) -> bool:
    """Say whether a number of at least 0 occurs twice."""
    if (np.diff(event) > 0).all():
        return False
    most = int(event.max()) + 1
    if most <= 8 * len(event) + 1024:
        there = np.zeros(most, bool)
        there[event] = True
        return int(np.count_nonzero(there)) < len(event)
    ordered = np.sort(event)
    return bool((ordered[1:] == ordered[:-1]).any())


def _check_once(path: Path, place: Ints, what: str) -> None:
    if not repeats(place):
        return
    order = np.argsort(place, kind="stable")
    twice = np.flatnonzero(np.diff(place[order]) == 0)
    one, other = (int(order[int(twice[0]) + n]) + 1 for n in (0, 1))
    raise FormatError(
        f"{path}: {what} must differ from row to row; rows {one} and {other} have the same (where requests or "
        "passes restart the count, name their column: --columns request=NAME or token=NAME)"
    )
