"""Where a model chooses experts: found by structure, so that most architectures need no code of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import LayeredPagingError

__all__ = ["Site", "chosen", "find_sites"]

# model types whose router is a plain linear layer (transformers 4): the largest logits are chosen;
# True where their weights are always divided by their sum, else config.norm_topk_prob decides
_PLAIN = {"mixtral": True, "qwen2_moe": False, "qwen3_moe": False, "olmoe": False}


@dataclass(frozen=True)
class Site:
    """One layer that chooses experts.

    Attributes
    ----------
    name : str
        Path of the module that is watched, such as ``model.layers.3.mlp.experts``.
    module : torch.nn.Module
    kind : str
        ``"experts"``: watch what the experts are called with; ``"router"``: what the router
        returns; ``"logits"``: a linear router, the largest of whose logits are chosen.
    n_experts : int
        Routed experts with parameters; shared ones are always used and not counted.  Ids from ``n_experts`` on are of
        zero-computation experts: nothing is loaded for them, so that they are no requests.
    expert_bytes : int or None
        Parameters and buffers of one expert, or None where they are not equal.
    top_k, normalise : int, bool
        Used with ``"logits"`` only.
    idle : int
        Zero-computation experts, which have no parameters; the router numbers them behind the others.
    """

    name: str
    module: Any
    kind: str
    n_experts: int
    expert_bytes: int | None
    top_k: int = 0
    normalise: bool = False
    idle: int = 0


def find_sites(model: Any) -> list[Site]:
    """Return the layers of a model that choose experts, in the order of its modules.

    The rule: a module that has a child named ``experts`` is such a layer.  If the experts are one module
    that stacks their parameters, it is called with the chosen ids. That call is watched, whatever rule the router
    follows.  If they are a list of modules, the router beside them (``gate`` or ``router``) is watched.

    Raises
    ------
    LayeredPagingError
        No such layer, or a router beside a list of experts whose rule is not known.
    """
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        raise LayeredPagingError(f"{type(model).__name__}: an encoder-decoder cannot be recorded, only a decoder")
    sites = []
    within: set[int] = set()
    for name, block in model.named_modules():
        children = dict(block.named_children())
        experts = children.get("experts")
        if experts is None or id(block) in within:
            continue
        within |= {id(module) for module in experts.modules()}
        sites.append(_site(model, name, children))
    if not sites:
        raise LayeredPagingError(
            f"{type(model).__name__}: no layer with experts was found; a layer must have a child module named 'experts'"
        )
    return sites


def _site(model: Any, name: str, children: Mapping[str, Any]) -> Site:
    experts = children["experts"]
    parts = list(experts.children())
    path = f"{name}.experts".lstrip(".")
    listed = re.search("ModuleList|ModuleDict", " ".join(kind.__name__ for kind in type(experts).__mro__)) is not None
    if not listed:
        count, size, idle = _stacked(experts)
        if count:
            return Site(path, experts, "experts", count, size, idle=idle)
        raise LayeredPagingError(f"{path}: cannot tell how many experts a {type(experts).__name__} holds")
    count = len(parts) - _idle(path, [_size(part) for part in parts])
    idle = len(parts) - count
    sizes = {_size(part) for part in parts[:count]}
    size = sizes.pop() if len(sizes) == 1 else None
    router = children.get("gate", children.get("router"))
    if router is None:
        raise LayeredPagingError(f"{name}: experts, but no module named 'gate' or 'router' beside them")
    path = f"{name}.{'gate' if 'gate' in children else 'router'}".lstrip(".")
    if not hasattr(router, "out_features"):
        return Site(path, router, "router", count, size, idle=idle)
    config = model.config
    kind = getattr(config, "model_type", "")
    if kind not in _PLAIN:
        raise LayeredPagingError(
            f"{path}: a linear router of model type {kind!r}, whose rule is not known; known are {', '.join(_PLAIN)}"
        )
    normalise = _PLAIN[kind] or bool(getattr(config, "norm_topk_prob", False))
    return Site(path, router, "logits", count, size, int(config.num_experts_per_tok), normalise, idle)


def _idle(path: str, sizes: Sequence[int]) -> int:
    """Return how many experts at the end have no parameters.

    Raises
    ------
    LayeredPagingError
        All have none, or one that has none stands before one that has some: their numbers would not be the router's.
    """
    count = sum(size > 0 for size in sizes)
    if count == 0 or any(size == 0 for size in sizes[:count]):
        raise LayeredPagingError(
            f"{path}: experts without parameters must stand behind the others; sizes are {list(sizes)[:16]}"
        )
    return len(sizes) - count


def _size(module: Any) -> int:
    tensors = [*module.parameters(), *module.buffers()]
    return sum(int(tensor.numel()) * int(tensor.element_size()) for tensor in tensors)


def _stacked(experts: Any) -> tuple[int, int | None, int]:
    """Return the number of experts, the bytes of one, and how many more have no parameters of their own.

    The parameters of the module start with the expert.  A stack that is shorter than the others tells the experts that
    compute from those that do not: all of an expert's parameters are needed.
    """
    tensors = [*experts.parameters(), *experts.buffers()]
    widths = [int(tensor.shape[0]) for tensor in tensors if tensor.dim() >= 3]
    total = int(getattr(experts, "num_experts", 0) or max(widths, default=0))
    count = min([total, *(width for width in widths if width > 1)])
    own = [tensor for tensor in tensors if tensor.dim() >= 1 and int(tensor.shape[0]) in (total, count)]
    size = sum(int(tensor.numel()) // int(tensor.shape[0]) * int(tensor.element_size()) for tensor in own)
    return count, size or None, total - count


def chosen(site: Site, values: Sequence[Any], *, weights: bool) -> tuple[Any, Any]:
    """Return what a layer chose: ids and weights, tensors of shape (tokens, top_k); no weights unless asked.

    ``values`` are what the experts were called with, or what the router returned.

    Raises
    ------
    LayeredPagingError
        They hold no ids, or weights were asked for and there are none.
    """
    import torch

    tensors = [value.detach() for value in values if isinstance(value, torch.Tensor)]
    if site.kind == "logits":
        share = tensors[0].reshape(-1, tensors[0].shape[-1]).float().softmax(dim=-1)
        gates, ids = share.topk(site.top_k, dim=-1)
        return ids, (gates / gates.sum(dim=-1, keepdim=True) if site.normalise else gates) if weights else None
    whole = [t for t in tensors if not t.dtype.is_floating_point and t.dtype != torch.bool and t.dim() >= 2]
    if len(whole) != 1:
        raise LayeredPagingError(
            f"{site.name}: expected one tensor of expert ids (tokens, top_k); {type(site.module).__name__} gave "
            f"{[f'{t.dtype} {tuple(t.shape)}' for t in tensors]}"
        )
    ids = whole[0].reshape(-1, whole[0].shape[-1])
    if not weights:
        return ids, None
    floats = [t.reshape(-1, t.shape[-1]) for t in tensors if t.dtype.is_floating_point and t.dim() >= 2]
    same = [t for t in floats if t.shape == ids.shape]
    wide = [t for t in floats if t.shape == (ids.shape[0], site.n_experts + site.idle)]
    if same:
        return ids, same[-1]
    if site.kind == "router" and wide:
        return ids, wide[0].gather(1, ids)
    raise LayeredPagingError(f"{site.name}: gives no weights beside the ids; record without weights")
