"""What the columns of a table mean, by the names in use or as they are given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, ParameterError

__all__ = ["ROLES", "normal", "others", "resolve"]

# what a column means -> the names under which it is found, the best first
ROLES: dict[str, tuple[str, ...]] = {
    "token": (
        "token_idx", "token_index", "token_position", "token_pos", "tok_idx", "token_number", "token", "tok", "t",
        "position", "position_id", "pos", "step", "decode_step", "iteration", "round", "scheduler_step",
    ),
    "layer": (
        "layer_idx", "layer_index", "layer_id", "layer_number", "layer", "l", "layer_name", "module", "module_name", "moe_layer",
        "block", "blk",
    ),
    "experts": (
        "selected_experts", "selected_ids", "selected", "expert_ids", "experts", "topk_ids", "topk_idx", "topk_indices", "top_k_ids",
        "top_k_indices", "top_indices", "topk_experts", "top_k_experts", "routed_experts", "activated_expert_ids",
        "activated_experts", "expert_indices", "expert_list", "requested_experts", "indices", "ids", "e", "expert", "expert_id", "expert_idx",
        "expert_index",
    ),
    "rank": ("rank", "slot", "choice", "topk_rank", "expert_rank", "position_in_topk", "order"),
    "weight": (
        "gate_weights", "gate_weight", "selected_probabilities", "topk_weights", "expert_weights", "routing_weights", "weights",
        "weight", "gates", "gate", "scores", "score", "probabilities", "probs", "prob", "s",
    ),
    "phase": ("phase", "ph", "stage", "forward_mode"),
    "request": (
        "request_id", "request", "req_id", "req", "rid", "prompt_id", "prompt_idx", "prompt", "p", "conversation_id", "conversation",
        "session_id", "session", "sequence_id", "sequence", "seq_id", "sample_id", "sample", "batch_number", "batch_idx", "batch_id",
        "batch", "turn",
    ),
}  # fmt: skip


_ONE = ("e", "expert", "expert_id", "expert_idx", "expert_index")
_WIDE = re.compile(r"(?:e|ex|expert|expert_id|expert_idx|id|top|top_k|topk|choice|slot|k)_?\d{1,3}")


def others(names: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """Return columns that could number tokens or passes, beside the one that was chosen."""
    return [
        name
        for name in names
        if normal(name) in (*ROLES["token"], "forward_pass", "forward_pass_id", "call") and name not in chosen.values()
    ]


def normal(name: str) -> str:
    """Return a name in lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def resolve(
    path: Path, names: Sequence[str], given: Mapping[str, str], texts: Sequence[str] = (), parts: Sequence[str] = ()
) -> dict[str, str]:
    """Return which column has which role.

    Parameters
    ----------
    path : Path
        What messages name.
    names : sequence of str
        The columns.
    given : mapping
        Role -> column, from the user; these come first.
    texts : sequence of str
        Columns of words, which cannot number tokens.
    parts : sequence of str
        Columns of broken numbers, which cannot name requests or phases.

    Raises
    ------
    FormatError
        No column for layers or experts, or one that was given is not there.
    """
    unknown = [role for role in given if role not in ROLES]
    if unknown:
        raise ParameterError(f"columns must be named for some of {', '.join(ROLES)}; got {unknown[0]!r}")
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    for role, name in given.items():
        if name not in names:
            raise FormatError(f"{path}: --columns {role}={name} must name a column; there are {shown}")
    free = {normal(name): name for name in reversed(names) if name not in given.values()}
    found = dict(given)
    for role, known in ROLES.items():
        if role not in found:
            fits = [free[name] for name in known if name in free]
            if role in ("request", "phase"):
                fits = [name for name in fits if name not in parts]
            if role == "token":
                fits = [name for name in fits if name not in texts] or fits
            if fits:
                found[role] = fits[0]
                free = {key: name for key, name in free.items() if name != fits[0]}
    wide = [name for name in names if name not in found.values() and _WIDE.fullmatch(normal(name))]
    if "experts" not in given and wide and ("experts" not in found or normal(found["experts"]) in _ONE):
        raise FormatError(
            f"{path}: columns {', '.join(wide[:4])} seem to hold one expert each; a row must have one column with a list of "
            "experts, or one expert and its rank (name it: --columns experts=NAME)"
        )
    absent = [role for role in ("layer", "experts") if role not in found]
    if absent:
        raise FormatError(
            f"{path}: a table must have a column of {' and one of '.join(absent)}; there are {shown} "
            f"(name them: --columns {','.join(f'{role}=NAME' for role in absent)})"
        )
    return found
