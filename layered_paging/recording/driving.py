"""Load a model, run it over prompts, and record it: what ``layered-paging record`` does."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.words import install
from ..errors import LayeredPagingError, ParameterError
from ..formats.common import brief
from .prompts import Prompt
from .recorder import Recorder, record

__all__ = ["MODES", "Overhead", "Running", "load_model", "measure_overhead", "record_prompts"]

MODES = ("greedy", "sample", "text")


@dataclass(frozen=True)
class Running:
    """How prompts are run.

    Attributes
    ----------
    mode : str
        ``"greedy"`` or ``"sample"``: the model continues each prompt; ``"text"``: it reads each, nothing more.
    new_tokens : int
        Tokens generated after each prompt, at most.
    temperature : float
        With ``"sample"``.
    batch : int
        Prompts run together.
    seed : int
        With ``"sample"``; each batch has a stream of its own.
    """

    mode: str = "greedy"
    new_tokens: int = 64
    temperature: float = 1.0
    batch: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Overhead:
    """Time with recording over time without: median, least and largest of ``repeats`` pairs run in turn."""

    ratio: float
    low: float
    high: float
    repeats: int


def load_model(
    name: str, *, dtype: str = "auto", device: str = "cpu", byte_tokens: bool = False, trust_remote_code: bool = False
) -> tuple[Any, Any]:
    """Load a model and its tokenizer (None with ``byte_tokens``) by transformers.

    Parameters
    ----------
    name : str
        A folder, or a name on the hub.
    dtype, device : str
        Such as ``"bfloat16"`` and ``"cuda"``; ``"auto"`` is the type that the weights are stored in.
    byte_tokens : bool
        The tokens are the 256 bytes of UTF-8 text, so that no tokenizer is needed.
    trust_remote_code : bool
        Run code that comes with the model.  Weights are read from safetensors files only, which hold no code.

    Raises
    ------
    LayeredPagingError
        torch or transformers are not installed, or the model or its tokenizer cannot be loaded.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        how = install("record", "torch", "transformers")
        raise LayeredPagingError(f"record needs torch and transformers; {how}; {error}") from None
    kind = "auto" if dtype == "auto" else getattr(torch, dtype, None)
    if kind != "auto" and not isinstance(kind, torch.dtype):
        raise ParameterError(f"must be auto or a type of torch, such as bfloat16; got {dtype!r}", parameter="dtype")
    if not os.path.isdir(name) and (name.startswith((".", os.sep)) or name.count("/") > 1):
        raise LayeredPagingError(f"{name}: no such folder")
    with _quiet(), _loading(name, "the model"):
        model = transformers.AutoModelForCausalLM.from_pretrained(
            name, dtype=kind, trust_remote_code=trust_remote_code, use_safetensors=True
        )
        model = model.to(device).eval()
    tokenizer = None
    if not byte_tokens:
        with _quiet(), _loading(name, "the tokenizer (tokens that are bytes need none: --byte-tokens)"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code)
    words = int(getattr(model.config, "vocab_size", 0))
    if byte_tokens and words < 256:
        raise ParameterError(f"{name}: byte tokens need a vocabulary of at least 256; it has {words}")
    return model, tokenizer


def record_prompts(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    running: Running,
    *,
    path: str | os.PathLike[str] | None = None,
    weights: bool = False,
    name: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> Recorder:
    """Run a model over prompts, each a session, and return the recorder.

    Parameters
    ----------
    model, tokenizer
        As ``load_model`` returns them.
    prompts : sequence of Prompt
    running : Running
    path, weights
        As for ``record``.
    name : str
        What the trace's meta calls the model.
    progress : function of int
        Called with the number of prompts done.

    Raises
    ------
    ParameterError
        A parameter is outside its range, or a prompt does not fit into the model's context.
    LayeredPagingError
        The model cannot be recorded (see ``record``).
    """
    encoded = [_encode(model, tokenizer, prompt, at, running) for at, prompt in enumerate(prompts)]
    meta: dict[str, Any] = {"model": name, "mode": running.mode}
    if running.mode != "text":
        meta |= {"new_tokens": running.new_tokens}
    if running.mode == "sample":
        meta |= {"temperature": running.temperature, "seed": running.seed}
    items = [prompt.item for prompt in prompts]
    with record(model, path=path, weights=weights, items=items if any(items) else None, meta=meta) as recorder:
        for at in range(0, len(encoded), running.batch):
            _run(model, tokenizer, encoded[at : at + running.batch], running, at)
            progress(min(at + running.batch, len(encoded)))
    return recorder


def measure_overhead(
    model: Any,
    tokenizer: Any,
    prompt: Prompt,
    running: Running,
    repeats: int,
    path: str | os.PathLike[str],
    weights: bool = False,
) -> Overhead:
    """Time one prompt with and without recording, in turn, and return the ratio.

    Parameters
    ----------
    path : path
        A name ending in ``.jsonl`` for what is recorded meanwhile; removed afterwards.
    repeats : int
        Pairs of runs, at least 1; one more pair comes before, and is not counted.
    """
    tokens = [_encode(model, tokenizer, prompt, 0, running)]

    def without() -> None:
        _run(model, tokenizer, tokens, running, 0)

    def recorded() -> None:
        with record(model, path=path, weights=weights):
            _run(model, tokenizer, tokens, running, 0)

    def seconds(action: Callable[[], None]) -> float:
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    ratios = []
    for _ in range(repeats + 1):
        try:
            plain = seconds(without)
            ratios.append(seconds(recorded) / plain)
        finally:
            Path(path).unlink(missing_ok=True)
    ratios = ratios[1:]
    return Overhead(statistics.median(ratios), min(ratios), max(ratios), repeats)


def _encode(model: Any, tokenizer: Any, prompt: Prompt, at: int, running: Running) -> list[int]:
    """Return the tokens of a prompt, or say why they cannot be run."""
    if running.mode not in MODES:
        raise ParameterError(f"must be one of {', '.join(MODES)}; got {running.mode!r}", parameter="mode")
    if running.new_tokens < 1 or running.batch < 1 or not 0 < running.temperature < float("inf"):
        raise ParameterError("new tokens and batch must be at least 1, and the temperature above 0")
    tokens = list(prompt.text.encode()) if tokenizer is None else list(tokenizer(prompt.text)["input_ids"])
    room = getattr(model.config, "max_position_embeddings", None)
    asked = len(tokens) + (0 if running.mode == "text" else running.new_tokens)
    if not tokens:
        raise ParameterError(f"prompt {at + 1}: must have at least one token; the tokenizer made none of it")
    if isinstance(room, int) and asked > room:
        raise ParameterError(f"prompt {at + 1}: the model has room for {room} tokens; prompt and new ones are {asked}")
    return tokens


def _run(model: Any, tokenizer: Any, tokens: list[list[int]], running: Running, at: int) -> None:
    """Run some prompts together, padded on the left."""
    import torch

    pad = getattr(tokenizer, "pad_token_id", None) or 0
    longest = max(map(len, tokens))
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in tokens], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in tokens], device=model.device)
    with torch.no_grad(), _quiet(), failing(type(model).__name__, at):
        if running.mode == "text":
            model(ids, attention_mask=mask, use_cache=False, logits_to_keep=1)
            return
        choice: dict[str, Any] = {"do_sample": False}
        if running.mode == "sample":
            choice = {"do_sample": True, "temperature": running.temperature, "top_k": 0}
            torch.manual_seed(int(np.random.SeedSequence([running.seed, at]).generate_state(1)[0]))
        model.generate(
            ids, attention_mask=mask, max_new_tokens=running.new_tokens, pad_token_id=pad, num_beams=1, **choice
        )


@contextmanager
def _loading(name: str, what: str) -> Iterator[None]:
    """Turn whatever a library raises while loading into one line."""
    try:
        yield
    except Exception as error:
        raise LayeredPagingError(f"{name}: {what} cannot be loaded; {type(error).__name__}: {brief(error)}") from None


@contextmanager
def failing(name: str, at: int) -> Iterator[None]:
    """Turn whatever a model raises while it runs into one line; our own errors pass."""
    try:
        yield
    except LayeredPagingError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {brief(error)}"
        raise LayeredPagingError(f"{name}: the model failed at prompt {at + 1}; {said}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep bars, and what transformers says of settings it does not use, to themselves."""
    from logging import ERROR, getLogger

    from transformers.utils import logging

    hub = getLogger("huggingface_hub")
    before, shown, level = logging.get_verbosity(), logging.is_progress_bar_enabled(), hub.level
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub.setLevel(ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
        hub.setLevel(level)
        if shown:
            logging.enable_progress_bar()
