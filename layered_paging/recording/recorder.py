"""Watch a model while it runs, and keep which experts each layer chose."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace
from ..errors import LayeredPagingError, ParameterError
from .sites import Site, chosen, find_sites
from .spool import Memory, Sizes, Spool

__all__ = ["Recorder", "record"]


def record(
    model: Any,
    *,
    path: str | os.PathLike[str] | None = None,
    weights: bool = False,
    items: Sequence[Mapping[str, Any]] | None = None,
    meta: Mapping[str, Any] | None = None,
    end_tokens: Sequence[int] | None = None,
) -> Recorder:
    """Record the routing of a mixture-of-experts model while it runs; use it in a ``with`` statement.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A decoder whose layers have experts.  Its answers do not change.
    path : path, optional
        A new ``.jsonl`` file, written as the model runs, which stays readable whatever happens to the process.
        Default: keep the rounds in memory.
    weights : bool
        Keep the router's weights, as float32.
    items : sequence of mappings, optional
        What the trace's meta says of each session, in order; entries of sessions that never come are left out.
    meta : mapping, optional
        Added to the trace's meta.
    end_tokens : sequence of int, optional
        Tokens that end a sequence of a batch: from there on, its rounds are ignored.  Default: those of the model.

    Returns
    -------
    Recorder

    Raises
    ------
    LayeredPagingError
        The model has no experts, or its way of choosing them is not known; later, inside the block: a layer
        chose no experts for some tokens, or a batch changed its size.
    ParameterError
        ``path`` is there already or does not end in ``.jsonl``.

    Notes
    -----
    A call of the model without past keys begins a session for each row of the batch, and its tokens are
    prefill. So are several tokens at once later on.  A single token after that is decode.  Padding is ignored
    by the attention mask.  Without a cache of keys every call is a session of its own, so generation needs one.
    Rejected guesses of assisted generation are recorded like other tokens. The rows of a beam search swap
    their pasts, and are recorded as if they did not.  Ids come in the router's order, which
    some models (DeepSeek) leave unsorted; an id past the last expert ("no expert") is kept as -1.

    A batch is kept in memory until it ends, except its first row; with ``path``, everything else is on the disk.
    """
    return Recorder(model, path, weights, items, meta, end_tokens)


@dataclass
class _Row:
    """A sequence of the present batch: what was not handed on yet, and whether it is over."""

    parts: list[tuple[npt.NDArray[Any], npt.NDArray[Any] | None, int]] = field(default_factory=list)
    over: bool = False


@dataclass
class _Step:
    """A call of the model: real tokens (batch, length), the tokens themselves, and what layers chose so far."""

    real: npt.NDArray[np.bool_]
    tokens: npt.NDArray[np.int64] | None
    starts: bool
    chosen: dict[int, tuple[Any, Any]] = field(default_factory=dict)


class Recorder:
    """Holds the hooks while the block lasts, and what they saw; made by ``record``."""

    def __init__(
        self,
        model: Any,
        path: str | os.PathLike[str] | None,
        weights: bool,
        items: Sequence[Mapping[str, Any]] | None,
        meta: Mapping[str, Any] | None,
        end_tokens: Sequence[int] | None,
    ) -> None:
        self.sites: list[Site] = find_sites(model)
        self._model = model
        sizes = [site.expert_bytes for site in self.sites if site.expert_bytes is not None]
        about = {**describe(model, self.sites), **(meta or {})}
        if items is not None:
            about["items"] = [dict(item) for item in items]
        self._sizes = Sizes(
            tuple(site.n_experts for site in self.sites),
            tuple(sizes) if len(sizes) == len(self.sites) else None,
            weights,
            about,
        )
        self._names = [name for name in inspect.signature(model.forward).parameters if name != "kwargs"]
        self._ends = _end_tokens(model) if end_tokens is None else frozenset(int(token) for token in end_tokens)
        self._store: Memory | Spool = Memory(self._sizes) if path is None else Spool(path, self._sizes)
        self._rows: list[_Row] = []
        self._step: _Step | None = None
        self._last: npt.NDArray[np.int64] | None = None
        self._first = 0  # session of the first row of the present batch
        self._handles: list[Any] = []
        self.rounds = 0

    @property
    def sessions(self) -> int:
        """Sessions begun so far."""
        return self._first + len(self._rows)

    def __enter__(self) -> Self:
        if self._handles:
            raise ParameterError("record: a recorder can be entered once at a time")
        for at, site in enumerate(self.sites):
            self._handles.append(self._watch(at, site))
        self._handles.append(self._model.register_forward_pre_hook(self._begin, with_kwargs=True, prepend=True))
        self._handles.append(self._model.register_forward_hook(self._end))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._hand_on()
        self._store.close()

    def trace(self) -> Trace:
        """Return what was recorded: inside the block the sessions that ended, after it everything.

        Raises
        ------
        LayeredPagingError
            Nothing was recorded.
        """
        return self._store.trace()

    def _watch(self, at: int, site: Site) -> Any:
        def called(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._note(at, [*args, *kwargs.values()])

        def returned(module: Any, args: tuple[Any, ...], output: Any) -> None:
            self._note(at, list(output) if isinstance(output, (tuple, list)) else [output])

        if site.kind == "experts":
            return site.module.register_forward_pre_hook(called, with_kwargs=True)
        return site.module.register_forward_hook(returned)

    def _note(self, at: int, values: list[Any]) -> None:
        if self._step is None:
            return  # a layer called by itself, not by the model
        ids, gates = chosen(self.sites[at], values, weights=self._sizes.weights)
        if at in self._step.chosen:
            before = self._step.chosen[at]
            import torch

            ids = torch.cat([before[0], ids])
            gates = None if gates is None else torch.cat([before[1], gates])
        self._step.chosen[at] = (ids, gates)

    def _begin(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = {**dict(zip(self._names, args, strict=False)), **kwargs}
        entries = given.get("input_ids")
        if entries is None:
            entries = given.get("inputs_embeds")
        if entries is None:
            raise LayeredPagingError("record: the model must be called with input_ids or inputs_embeds")
        batch, length = int(entries.shape[0]), int(entries.shape[1])
        tokens = given.get("input_ids")
        shown = None if tokens is None else tokens.detach().cpu().numpy()
        real = _real(given.get("attention_mask"), batch, length)
        past = given.get("cache")  # transformers 5.24 renamed it
        starts = _past(given.get("past_key_values") if past is None else past) == 0
        if starts:
            _refuse_repeats(self._last, shown)
            if not real.any(axis=1).all():
                raise LayeredPagingError("record: a row of the batch holds nothing but padding")
        elif len(self._rows) != batch:
            raise LayeredPagingError(
                f"record: the batch had {len(self._rows)} sequences and now has {batch}; "
                "a sequence must keep its row, and its first tokens must be inside the block"
            )
        self._last = shown if starts else None
        self._step = _Step(real, shown, starts)

    def _end(self, module: Any, args: tuple[Any, ...], output: Any) -> None:
        step, self._step = self._step, None
        if step is None:
            return
        ids, gates = self._gathered(step)
        if step.starts:
            self._hand_on()
            self._rows = [_Row() for _ in range(len(ids))]
        stage = PREFILL if step.starts or ids.shape[1] > 1 else DECODE
        for at, row in enumerate(self._rows):
            keep = step.real[at]
            if len(self._rows) > 1 and stage == DECODE and step.tokens is not None:
                row.over = row.over or int(step.tokens[at, -1]) in self._ends
            if row.over or not keep.any():
                continue
            part = (ids[at, keep], None if gates is None else gates[at, keep], stage)
            self.rounds += len(part[0])
            if at == 0:
                self._store.append(self._first, *part)
            else:
                row.parts.append(part)

    def _gathered(self, step: _Step) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Return what all layers chose: ids and weights of shape (batch, length, layers, top_k)."""
        import torch

        batch, length = step.real.shape
        for at, site in enumerate(self.sites):
            found = len(step.chosen[at][0]) if at in step.chosen else 0
            if found != batch * length:
                raise LayeredPagingError(
                    f"{site.name}: chose experts for {found} of {batch * length} tokens; this way of running is not known"
                )
        parts = [step.chosen[at] for at in range(len(self.sites))]
        widest = max(int(ids.shape[1]) for ids, _ in parts)

        def together(tensors: list[Any], fill: float) -> npt.NDArray[Any]:
            near = [tensor.to("cpu", non_blocking=False) for tensor in tensors]
            filled = [
                tensor
                if tensor.shape[1] == widest
                else torch.nn.functional.pad(tensor, (0, widest - tensor.shape[1]), value=fill)
                for tensor in near
            ]
            made: npt.NDArray[Any] = torch.stack(filled, dim=1).numpy()
            return made.reshape(batch, length, len(self.sites), widest)

        ids = together([ids for ids, _ in parts], -1)
        limit = np.array(self._sizes.n_experts)[:, None]
        ids = np.where((ids >= limit) | (ids < 0), -1, ids)
        ids = ids.astype(np.int16 if limit.max() <= np.iinfo(np.int16).max else np.int32)
        gates = together([g.float() for _, g in parts], 0.0) if self._sizes.weights else None
        return ids, gates

    def _hand_on(self) -> None:
        """Bring the rows of a batch that is over into the store."""
        for at, row in enumerate(self._rows):
            for part in row.parts:
                self._store.append(self._first + at, *part)
        self._first += len(self._rows)
        self._rows = []
        self._store.settle()


def describe(model: Any, sites: Sequence[Site]) -> dict[str, Any]:
    """Return what the meta of a trace says of the model that made it."""
    import torch

    from ..core.version import __version__

    config = getattr(model, "config", None)
    made: dict[str, Any] = {
        "architecture": type(model).__name__,
        "model_type": str(getattr(config, "model_type", "")),
        "layer_names": [site.name for site in sites],
        "recorded_by": f"layered-paging {__version__}, torch {torch.__version__}",
    }
    if type(model).__module__.startswith("transformers."):
        import transformers

        made["recorded_by"] += f", transformers {transformers.__version__}"
    return made


def _end_tokens(model: Any) -> frozenset[int]:
    given = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return frozenset() if given is None else frozenset(np.atleast_1d(given).astype(int).tolist())


def _past(cache: Any) -> int:
    """Return how many tokens a cache of keys holds."""
    if cache is None:
        return 0
    if hasattr(cache, "get_seq_length"):
        return int(cache.get_seq_length())
    return int(cache[0][0].shape[-2])


def _real(mask: Any, batch: int, length: int) -> npt.NDArray[np.bool_]:
    """Return which of the present tokens are no padding."""
    if getattr(mask, "ndim", 0) == 2:
        made: npt.NDArray[np.bool_] = mask[:, -length:].detach().cpu().numpy() != 0
        return made
    if mask is None or batch == 1:
        return np.ones((batch, length), np.bool_)
    raise LayeredPagingError(
        f"record: the attention mask of a batch must have shape (batch, tokens), for padding to be seen; "
        f"got {tuple(getattr(mask, 'shape', ()))}"
    )


def _refuse_repeats(before: npt.NDArray[np.int64] | None, now: npt.NDArray[np.int64] | None) -> None:
    """Raise where generation runs without a cache of keys: it would be taken for a new session a token."""
    if before is None or now is None or len(before) != len(now) or before.shape[1] + 1 != now.shape[1]:
        return
    if (now[:, :-1] == before).all():
        raise LayeredPagingError(
            "record: the model is called again with the same tokens and one more; generate with a cache (use_cache=True)"
        )
