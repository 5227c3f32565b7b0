"""What the columns of a table mean, by the names in use or as they are given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, ParameterError

__all__ = ["ROLES", "Beside", "each", "flat", "has_columns", "has_ranks", "normal", "others", "resolve"]

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


class Beside(str):
    """Several columns of one role, one value each, in the order of rank; as text, their names with plus signs."""

    parts: tuple[str, ...]

    def __new__(cls, parts: Sequence[str]) -> Beside:
        """Join names of columns."""
        made = super().__new__(cls, "+".join(parts))
        made.parts = tuple(parts)
        return made


def each(name: str) -> tuple[str, ...]:
    """Return the columns of a role."""
    return name.parts if isinstance(name, Beside) else (name,)


def flat(roles: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return pairs of a role and a column."""
    return [(role, one) for role, name in roles.items() for one in each(name)]


def has_ranks(names: Sequence[str]) -> bool:
    """Say whether columns mean a layer, and others seem to hold one expert for each rank."""
    known = [normal(name) for name in names]
    return any(name in ROLES["layer"] for name in known) and any(_WIDE.fullmatch(name) for name in known)


def has_columns(names: Sequence[str]) -> bool:
    """Say whether columns mean a layer and experts."""
    return has_ranks(names) or all({normal(name) for name in names} & set(ROLES[role]) for role in ("layer", "experts"))


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
        raise ParameterError(f"must be named for some of {', '.join(ROLES)}; got {unknown[0]!r}", parameter="columns")
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    found = {role: _given(path, role, name, names, shown) for role, name in given.items()}
    taken = [name for _, name in flat(found)]
    twice = next((name for name in taken if taken.count(name) > 1), None)
    if twice is not None:
        raise FormatError(f"{path}: --columns must name different columns; {twice!r} comes twice")
    free = {normal(name): name for name in reversed(names) if name not in taken}
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
    taken = [name for _, name in flat(found)]
    wide = [name for name in names if name not in taken and _WIDE.fullmatch(normal(name))]
    if "experts" not in given and wide and ("experts" not in found or normal(found["experts"]) in _ONE):
        raise FormatError(
            f"{path}: columns {', '.join(wide[:4])} can hold one expert for each rank, or one value for each expert; say that "
            f"they hold experts, in order of rank: --columns experts={'+'.join(wide[:4])}{'+...' if len(wide) > 4 else ''}"
        )
    absent = [role for role in ("layer", "experts") if role not in found]
    if absent:
        raise FormatError(
            f"{path}: a table must have a column of {' and one of '.join(absent)}; there are {shown} "
            f"(name them: --columns {','.join(f'{role}=NAME' for role in absent)})"
        )
    return found


def _given(path: Path, role: str, name: str, names: Sequence[str], shown: str) -> str:
    """Return the column that was given for a role, or several with plus signs between."""
    parts = [name] if name in names else [part.strip() for part in name.split("+")]
    absent = next((part for part in parts if part not in names), None)
    if absent is not None:
        raise FormatError(f"{path}: --columns {role}={name} must name a column; there are {shown}")
    if len(parts) > 1 and role not in ("experts", "weight"):
        raise FormatError(
            f"{path}: --columns {role}={name} must name one column; only experts and weight can have several"
        )
    return name if len(parts) == 1 else Beside(parts)
