"""A model whose experts stay on the disk: a live cache says which to read, and into which slot."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..core.files import replacing
from ..errors import BudgetError, LayeredPagingError, ParameterError
from ..live import Cache
from ..policies.spec import PolicySpec
from .sites import Site, chosen, find_sites

__all__ = ["ExpertsOnDisk", "experts_on_disk"]

_ALIGNED = 64  # bytes, so that every tensor of a slot begins where its type may


class _Tensor(NamedTuple):
    """One of the tensors of an expert: its name in the layer's module, and where it lies in the bytes of an expert."""

    name: str
    dtype: Any
    shape: tuple[int, ...]
    at: int
    size: int
    trained: bool


@contextmanager
def experts_on_disk(
    model: Any,
    path: str | os.PathLike[str],
    slots: int,
    policy: str | type | PolicySpec = "llru",
    *,
    pool: str = "shared",
    seed: int = 0,
    cold: bool = False,
) -> Iterator[ExpertsOnDisk]:
    """Keep the experts of a model in a file while the block lasts; memory holds ``slots`` of them.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A decoder on the CPU, as ``lp.record`` takes it, whose experts are stacked in one module a layer, all of one
        size.  Its answers do not change, bit for bit, against its own ``"eager"`` way to run experts.
    path : path
        A new file for the experts; it is left there.
    slots : int
        At least as many as a layer asks for at once: all experts that any token of a call needs.
    policy : str or class
        See ``lp.live.Cache``, also for ``pool`` and ``seed``.
    cold : bool
        Tell the system, after each read, not to keep it in its own cache, so that every load is one of the disk.

    Yields
    ------
    ExpertsOnDisk
        ``cache`` is the live cache; ``loads``, ``bytes_read`` and ``seconds`` count what was read.

    Raises
    ------
    LayeredPagingError
        The experts are not stacked, not of one size, or not on the CPU; or ``path`` is there already.
    BudgetError
        A layer asks for more experts at once than its pool has slots.

    Notes
    -----
    The model is whole in memory when the block begins, and again when it is over.  One call is one event a layer,
    for all tokens of the call: what ``lp.replay(trace, policy, slots, prefill="merged")`` counts for the trace that is
    recorded in the same run, one prompt at a time.
    """
    held = ExpertsOnDisk(model, Path(path), slots, policy, pool=pool, seed=seed, cold=cold)
    try:
        yield held
    finally:
        held.close()


class ExpertsOnDisk:
    """The file, the slots, and the hooks of a model; made by ``experts_on_disk``.

    Attributes
    ----------
    cache : Cache
    loads, bytes_read : int
    seconds : float
        Time that loads took, all together.
    expert_bytes : int
        Of one expert in the file, padding included.
    """

    def __init__(
        self, model: Any, path: Path, slots: int, policy: str | type | PolicySpec, *, pool: str, seed: int, cold: bool
    ) -> None:
        import torch

        if os.path.lexists(path):
            raise ParameterError(f"{path}: is there already; the experts need a new file")
        self.sites: list[Site] = find_sites(model)
        self._model, self._cold = model, cold
        self._tensors = _layout(self.sites)
        last = self._tensors[-1]
        self.expert_bytes = _padded(last.at + last.size)
        counts = [site.n_experts for site in self.sites]
        self.cache = Cache(layers=len(counts), experts=counts, slots=slots, policy=policy, pool=pool, seed=seed)
        self._first = [sum(counts[:j]) for j in range(len(counts))]
        slots = min(slots, sum(counts))
        self._write(path)
        self._file = os.open(path, os.O_RDONLY)
        self._buffer = torch.empty((slots, self.expert_bytes), dtype=torch.uint8)
        self._slot: dict[tuple[int, int], int] = {}
        self._free = list(range(slots))
        self.loads = self.bytes_read = 0
        self.seconds = 0.0
        self._handles: list[Any] = []
        self._ways: list[tuple[Any, Any]] = []
        for layer in range(len(self.sites)):
            self._replace(layer)

    def reset(self) -> None:
        """Begin a session: cache, policy and slots start from nothing."""
        self.cache.reset()
        self._free, self._slot = list(range(len(self._buffer))), {}

    def close(self) -> None:
        """Give the model its experts back, read from the file."""
        import torch

        for handle in self._handles:
            handle.remove()
        for config, way in self._ways:
            config._experts_implementation = way
        row = torch.empty(self.expert_bytes, dtype=torch.uint8)
        for layer, site in enumerate(self.sites):
            whole = {t.name: torch.empty((site.n_experts, *t.shape), dtype=t.dtype) for t in self._tensors}
            for expert in range(site.n_experts):
                self._read(layer, expert, row)
                for tensor in self._tensors:
                    whole[tensor.name][expert] = _view(row, tensor)
            for tensor in self._tensors:
                delattr(site.module, tensor.name)
                setattr(site.module, tensor.name, torch.nn.Parameter(whole[tensor.name], requires_grad=tensor.trained))
        os.close(self._file)

    def of(self, layer: int, expert: int, tensor: int) -> Any:
        """Return a tensor of an expert that is in memory.

        Raises
        ------
        LayeredPagingError
            The layer was not called with this expert.
        """
        slot = self._slot.get((layer, expert))
        if slot is None:
            raise LayeredPagingError(
                f"{self.sites[layer].name}: asks for expert {expert}, which it was not called with"
            )
        return _view(self._buffer[slot], self._tensors[tensor])

    def _write(self, path: Path) -> None:
        with replacing(path) as out:
            for site in self.sites:
                whole = [getattr(site.module, tensor.name).detach() for tensor in self._tensors]
                for expert in range(site.n_experts):
                    row = bytearray(self.expert_bytes)
                    for tensor, values in zip(self._tensors, whole, strict=True):
                        row[tensor.at : tensor.at + tensor.size] = _bytes(values[expert])
                    out.write(row)

    def _replace(self, layer: int) -> None:
        """Put what stands for the stacked parameters in their place, and watch the calls."""
        module = self.sites[layer].module
        for n, tensor in enumerate(self._tensors):
            delattr(module, tensor.name)
            setattr(module, tensor.name, _Held(self, layer, n))
        config = getattr(module, "config", None)
        way = getattr(config, "_experts_implementation", None)
        if config is not None and way not in (None, "eager"):  # the others want all experts in one piece
            self._ways.append((config, way))
            config._experts_implementation = "eager"

        def called(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._serve(layer, [*args, *kwargs.values()])

        self._handles.append(module.register_forward_pre_hook(called, with_kwargs=True))

    def _serve(self, layer: int, values: list[Any]) -> None:
        site = self.sites[layer]
        ids, _ = chosen(site, values, weights=False)
        asked = [e for e in ids.unique().tolist() if 0 <= e < site.n_experts]  # past the last one: no expert
        try:
            loads, evictions = self.cache.serve(layer, asked)
        except BudgetError as error:
            raise BudgetError(f"{site.name}: {error}; give more slots, or call the model with fewer tokens") from None
        for place in evictions:
            self._free.append(self._slot.pop(place))
        start = time.perf_counter()
        for expert in loads:
            slot = self._free.pop()
            self._read(layer, expert, self._buffer[slot])
            self._slot[layer, expert] = slot
        self.seconds += time.perf_counter() - start
        self.loads += len(loads)
        self.bytes_read += len(loads) * self.expert_bytes

    def _read(self, layer: int, expert: int, row: Any) -> None:
        at = (self._first[layer] + expert) * self.expert_bytes
        target = memoryview(row.numpy())
        done = 0
        while done < len(target):
            got = os.preadv(self._file, [target[done:]], at + done)
            if got == 0:
                raise LayeredPagingError(f"the file of experts ends before expert {expert} of layer {layer}")
            done += got
        if self._cold and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, at, self.expert_bytes, os.POSIX_FADV_DONTNEED)


class _Held:
    """Stands for the stacked parameters of a layer: ``held[expert]`` is the tensor of one expert."""

    def __init__(self, disk: ExpertsOnDisk, layer: int, tensor: int) -> None:
        self._disk, self._layer, self._tensor = disk, layer, tensor

    def __getitem__(self, expert: Any) -> Any:
        return self._disk.of(self._layer, int(expert), self._tensor)


def _layout(sites: list[Site]) -> list[_Tensor]:
    """Return the tensors of an expert, the same ones in all layers."""
    found = []
    for site in sites:
        if site.kind != "experts":
            raise LayeredPagingError(f"{site.name}: only experts that are stacked in one module can stay on the disk")
        tensors, at = [], 0
        for name, values in site.module.named_parameters(recurse=False):
            if values.dim() >= 2 and values.shape[0] == site.n_experts:
                if values.device.type != "cpu":
                    raise LayeredPagingError(f"{site.name}: the model must be on the CPU; it is on {values.device}")
                size = math.prod(values.shape[1:]) * values.element_size()
                tensors.append(_Tensor(name, values.dtype, tuple(values.shape[1:]), at, size, values.requires_grad))
                at = _padded(at + size)
        if not tensors:
            raise LayeredPagingError(f"{site.name}: no parameters of single experts were found")
        found.append(tensors)
    if any(tensors != found[0] for tensors in found):
        raise LayeredPagingError("experts of all layers must have the same tensors of the same shapes, to share slots")
    return found[0]


def _padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _bytes(values: Any) -> memoryview:
    import torch

    return memoryview(values.contiguous().reshape(-1).view(torch.uint8).numpy())


def _view(row: Any, tensor: _Tensor) -> Any:
    return row[tensor.at : tensor.at + tensor.size].view(tensor.dtype).reshape(tensor.shape)
