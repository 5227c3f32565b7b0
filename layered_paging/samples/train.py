"""Train a small Mixtral on the CPU, record it, and write the package's sample and where it comes from.

    pip install torch transformers
    python -m layered_paging.samples.train -o made        # some ten minutes on two cores; --steps 60 to try it

The answer is ``made/sample.npz``, ``made/provenance.json`` and the model itself in ``made/model``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import write_atomic
from ..core.words import install
from ..errors import LayeredPagingError
from ..formats import save_trace
from ..recording import record
from ..recording.driving import Running, record_prompts
from ..recording.prompts import Prompt
from .corpus import KINDS, corpus
from .information import Information, information

__all__ = ["MODEL", "TRAINING", "main", "make"]

MODEL: dict[str, Any] = {
    "vocab_size": 256,  # bytes
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_local_experts": 16,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 256,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
TRAINING: dict[str, Any] = {
    "batch": 24,
    "length": 128,
    "rate": 3e-3,
    "warm_up": 60,
    "weight_decay": 0.05,
    "clip": 1.0,
    "balance": 0.01,
}
HELD = 0.1  # share of each text that is kept from training
WINDOWS = 16  # of held text, a kind, that the model reads before and after
PROMPTS, PROMPT_BYTES = 4, 48  # prompts of a kind; they are held text too
RUNNING = Running(mode="sample", new_tokens=80, temperature=0.8, seed=0)
_EVERY = 20  # steps between points of the loss curve


def make(folder: Path, *, steps: int, seed: int = 0, threads: int = 1) -> dict[str, Any]:
    """Train, record, and write the trace and its provenance.

    Parameters
    ----------
    folder : Path
        Where to write; made if it is not there.
    steps : int
        Batches trained on, at least 1.
    seed : int
        Of the texts, the parameters and the batches.
    threads : int
        Of torch.

    Returns
    -------
    dict
        What ``provenance.json`` holds.

    Raises
    ------
    LayeredPagingError
        torch or transformers are not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        how = install("record", "torch", "transformers")
        raise LayeredPagingError(f"needs torch and transformers; {how}; {error}") from None
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    texts = corpus(seed)
    cut = {kind: int(len(text) * (1 - HELD)) for kind, text in texts.items()}
    data = {kind: np.frombuffer(text, np.uint8) for kind, text in texts.items()}
    model = transformers.MixtralForCausalLM(transformers.MixtralConfig(**MODEL))
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")  # on a CPU others are slower, one of them 40 times
    windows = _windows(data, cut)
    before = _read(model, windows)
    start = time.process_time()
    curve, told = _train(model, {kind: data[kind][: cut[kind]] for kind in data}, windows, steps, seed)
    seconds = time.process_time() - start
    after = _read(model, windows)
    prompts = _prompts(texts, cut)
    recorder = record_prompts(model, None, prompts, RUNNING, weights=True, name="a small Mixtral of our own")
    trace = recorder.trace()
    kinds = [str(prompt.category) for prompt in prompts]
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder / "model")
    save_trace(trace, folder / "sample.npz")
    made = {
        "what": "routing of a small Mixtral-style language model of bytes, trained and recorded by "
        "python -m layered_paging.samples.train",
        "model": MODEL,
        "parameters": sum(int(p.numel()) for p in model.parameters()),
        "training": {
            **TRAINING,
            "steps": steps,
            "seed": seed,
            "threads": threads,
            "cpu_seconds": round(seconds),
            "loss_nats_per_byte": curve,
        },
        "texts": {
            kind: {"what": KINDS[kind], "bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
            for kind, text in texts.items()
        },
        "held_text": {
            "what": f"{WINDOWS} windows of {TRAINING['length']} bytes a kind, read by the model before and after training",
            "loss_before": before[1],
            "loss_after": after[1],
            "information_while_training": told,
            "information_before": _stated(before[0]),
            "information_after": _stated(after[0]),
            "ratio": round(after[0].mean / before[0].mean, 4),
        },
        "trace": {
            "digest": trace.digest(),
            "rounds": trace.rounds,
            "layers": trace.layers,
            "top_k": trace.top_k,
            "n_experts": list(trace.n_experts),
            "requests": trace.requests,
            "sessions": len(trace.sessions),
            "kinds": kinds,
            "running": vars(RUNNING),
            "information": _stated(information(trace, kinds)),
        },
        "made_with": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "machine": platform.machine(),
        },
    }
    write_atomic(folder / "provenance.json", _written(made).encode())
    return made


def _written(made: Mapping[str, Any]) -> str:
    """Return JSON with the innermost lists on one line each."""
    text = json.dumps(made, indent=1) + "\n"
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda match: "[" + re.sub(r"\s+", " ", match[1]) + "]", text)


def _stated(found: Information) -> dict[str, Any]:
    """Return an estimate as it is written: nats, by layer; the counts let anyone compute it again."""
    return {
        "mean": round(found.mean, 6),
        "plain": [round(x, 6) for x in found.plain.tolist()],
        "shuffled": [round(x, 6) for x in found.shuffled.tolist()],
        "counts": found.counts.tolist(),
    }


def _windows(data: Mapping[str, Any], cut: Mapping[str, int]) -> list[tuple[str, Any]]:
    """Return windows of held text, evenly spaced, as (kind, bytes)."""
    made = []
    for kind, text in data.items():
        last = len(text) - TRAINING["length"] - 1
        made += [(kind, text[int(at) : int(at) + TRAINING["length"]]) for at in np.linspace(cut[kind], last, WINDOWS)]
    return made


def _read(model: Any, windows: Sequence[tuple[str, Any]]) -> tuple[Information, dict[str, float]]:
    """Let the model read windows; return the information and the loss by kind, in nats a byte."""
    import torch

    model.eval()
    ids = torch.from_numpy(np.stack([window for _, window in windows]).astype(np.int64))
    with torch.no_grad(), record(model) as recorder:
        logits = model(ids, use_cache=False).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none").mean(dim=1)
    by_kind: dict[str, list[float]] = {}
    for (kind, _), loss in zip(windows, losses.tolist(), strict=True):
        by_kind.setdefault(kind, []).append(loss)
    found = information(recorder.trace(), [kind for kind, _ in windows])
    return found, {kind: round(float(np.mean(some)), 4) for kind, some in by_kind.items()}


def _balance(router_logits: Sequence[Any], top_k: int) -> Any:
    """Return the loss of balance, averaged over layers: 1 where all experts are used alike, more otherwise.

    transformers' own takes the experts of all layers together, and lets a layer use few of them.
    """
    import torch

    parts = []
    for logits in router_logits:
        chances = logits.softmax(dim=-1)
        chosen = torch.zeros_like(chances).scatter_(1, chances.topk(top_k, dim=-1).indices, 1.0 / top_k)
        parts.append((chosen.mean(dim=0) * chances.mean(dim=0)).sum() * logits.shape[1])
    return torch.stack(parts).mean()


def _train(
    model: Any, data: Mapping[str, Any], windows: Sequence[tuple[str, Any]], steps: int, seed: int
) -> tuple[list[list[float]], list[list[float]]]:
    """Train in place; return [step, loss, balance], means since the row before, and [step, information] rows."""
    import torch

    dice = np.random.default_rng([seed, 1])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=TRAINING["rate"], betas=(0.9, 0.98), weight_decay=TRAINING["weight_decay"]
    )

    def rate(step: int) -> float:
        decay = 0.5 + 0.5 * float(np.cos(np.pi * min(1.0, step / steps)))
        return min(1.0, (step + 1) / float(TRAINING["warm_up"])) * (0.05 + 0.95 * decay)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    each = TRAINING["batch"] // len(data)
    curve: list[list[float]] = []
    told: list[list[float]] = []
    since: list[tuple[float, float]] = []
    model.train()
    for step in range(1, steps + 1):
        rows = [
            text[at : at + TRAINING["length"]]
            for text in data.values()
            for at in dice.integers(len(text) - TRAINING["length"], size=each)
        ]
        ids = torch.from_numpy(np.stack(rows).astype(np.int64))
        answer = model(ids, use_cache=False, output_router_logits=True)
        loss = torch.nn.functional.cross_entropy(answer.logits[:, :-1].transpose(1, 2), ids[:, 1:])
        balance = _balance(answer.router_logits, model.config.num_experts_per_tok)
        optimizer.zero_grad()
        (loss + TRAINING["balance"] * balance).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), TRAINING["clip"])
        optimizer.step()
        schedule.step()
        since.append((float(loss.detach()), float(balance.detach())))
        if step % _EVERY == 0 or step == steps:
            row = np.mean(since, axis=0)
            curve.append([step, round(float(row[0]), 4), round(float(row[1]), 4)])
            since = []
            line = f"step {step} of {steps}: loss {row[0]:.4f}, balance {row[1]:.4f}"
            if step % (5 * _EVERY) == 0:
                told.append([step, round(_read(model, windows)[0].mean, 4)])
                model.train()
                line += f", information {told[-1][1]:.4f}"
            print(line, file=sys.stderr, flush=True)
    return curve, told


def _prompts(texts: Mapping[str, bytes], cut: Mapping[str, int]) -> list[Prompt]:
    """Return prompts of held text, each from the start of a line, the kinds in turn."""
    made: list[list[Prompt]] = []
    for kind, text in texts.items():
        places = np.linspace(cut[kind], len(text) - 4 * PROMPT_BYTES, PROMPTS + 1)[:-1]
        starts = [text.index(b"\n", int(at)) + 1 for at in places]
        made.append(
            [
                Prompt(text[at : at + PROMPT_BYTES].decode("ascii"), kind, f"{kind}-{n}")
                for n, at in enumerate(starts, 1)
            ]
        )
    return [prompt for turn in zip(*made, strict=True) for prompt in turn]


def main(words: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m layered_paging.samples.train", description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True, type=Path, help="where to write")
    parser.add_argument("--steps", type=int, default=1000, help="batches (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    args = parser.parse_args(words)
    if min(args.steps, args.threads) < 1 or args.seed < 0:
        parser.error("steps and threads must be at least 1, and the seed at least 0")
    try:
        made = make(args.output, steps=args.steps, seed=args.seed, threads=args.threads)
    except LayeredPagingError as error:
        print(f"layered_paging.samples.train: {error}", file=sys.stderr)
        return 2
    held, trace = made["held_text"], made["trace"]
    print(
        f"{args.output}/sample.npz: {trace['requests']:,} requests of {trace['sessions']} sessions\n"
        f"information between kind and expert on held text: {held['information_before']['mean']:.4f} nats before, "
        f"{held['information_after']['mean']:.4f} after training ({held['ratio']:.2f} times)\n"
        f"in the trace: {trace['information']['mean']:.4f} nats"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
