"""``layered-paging record MODEL --prompts FILE -o TRACE``: the routing of a live model."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..core.words import counted
from ..errors import ParameterError
from ..recording import recover
from ..recording.driving import MODES, Running, load_model, measure_overhead, record_prompts
from ..recording.prompts import read_prompts
from . import options as opt
from .common import progress
from .options import Group, Option, add
from .values import positive

EXAMPLES = """examples, with a model of your own:
  layered-paging record ./my-moe --prompts prompts.txt -o run.npz \\
      --new-tokens 128
  layered-paging record ./my-moe --prompts texts.jsonl -o run.npz \\
      --mode text --router-weights

While it runs, TRACE.part.jsonl holds what was recorded so far. It can be
read like any trace. A .jsonl of prompts has lines such as
{"prompt": "...", "category": "code", "id": "17"}.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option(
            "model", group=Group.INPUT, metavar="MODEL",
            help="a folder with a model for transformers, or a name on the hub",
        ),
        Option(
            "--prompts", group=Group.INPUT, metavar="FILE", required=True, help="text, a prompt a line, or .jsonl objects"
        ),
        opt.BATCH(group=Group.INPUT, default=1, help="prompts run together (default: 1)"),
        Option(
            "--byte-tokens", group=Group.INPUT, action="store_true", help="tokens are bytes of UTF-8; no tokenizer is read"
        ),
        Option(
            "--mode", group=Group.RULES, choices=MODES, default=MODES[0], help="how prompts are run (default: greedy)"
        ),
        Option(
            "--new-tokens", group=Group.RULES, type=positive, default=64, metavar="N",
            help="tokens after a prompt (default: 64)",
        ),
        Option(
            "--temperature", group=Group.RULES, type=float, default=1.0, metavar="T", help="with --mode sample (default: 1)"
        ),
        opt.SEED(help="with --mode sample (default: 0)"),
        Option(
            "--dtype", group=Group.SEARCH, default="auto", metavar="TYPE",
            help="type of the parameters, such as bfloat16 (default: as stored)",
        ),
        Option("--device", group=Group.SEARCH, default="cpu", metavar="NAME", help="where the model runs (default: cpu)"),
        Option("--trust-remote-code", group=Group.SEARCH, action="store_true", help="run code that comes with the model"),
        Option(
            "--overhead", group=Group.OUTPUT, type=int, default=3, metavar="N",
            help="pairs of runs that time the recording; 0: none (default: 3)",
        ),
        Option("--router-weights", group=Group.OUTPUT, action="store_true", help="keep the router's weights"),
        opt.INTO(metavar="TRACE", required=True, help="the trace; its suffix names the format"),
        opt.FORCE(help="replace TRACE if it is there"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Record the model."""
    target = Path(args.output)
    if os.path.lexists(target) and not args.force:
        raise ParameterError(f"{target}: is there already; give --force to replace it")
    part = Path(f"{target}.part.jsonl")
    if part.exists():
        raise ParameterError(f"{part}: is there already, from a recording that did not end; convert or remove it")
    if args.overhead < 0:
        raise ParameterError(f"--overhead must be at least 0; got {args.overhead}")
    check_target(target)
    prompts = read_prompts(args.prompts)
    running = Running(args.mode, args.new_tokens, args.temperature, args.batch_size, args.seed)
    model, tokenizer = load_model(
        args.model,
        dtype=args.dtype,
        device=args.device,
        byte_tokens=args.byte_tokens,
        trust_remote_code=args.trust_remote_code,
    )
    with progress("recording", len(prompts), args.json) as done:
        recorder = record_prompts(
            model,
            tokenizer,
            prompts,
            running,
            path=part,
            weights=args.router_weights,
            name=Path(args.model).name,
            progress=done,
        )
    recover(part, target)
    trace = recorder.trace()
    part.unlink()
    overhead = None
    if args.overhead:
        overhead = measure_overhead(model, tokenizer, prompts[0], running, args.overhead, part, args.router_weights)
    return {
        "output": str(target),
        "architecture": trace.meta["architecture"],
        "rounds": trace.rounds,
        "prefill_rounds": int((trace.stage == 0).sum()),
        "sessions": len(trace.sessions),
        "layers": trace.layers,
        "n_experts": list(trace.n_experts),
        "top_k": trace.top_k,
        "requests": trace.requests,
        "expert_bytes": None if trace.expert_bytes is None else trace.expert_bytes.tolist(),
        "weights": trace.weights is not None,
        "overhead": None if overhead is None else vars(overhead),
        "digest": trace.digest(),
    }


def check_target(target: Path) -> None:
    """Refuse the name of a trace that could not be written, before the long work."""
    from ..formats import FORMATS

    known = [suffix for one in FORMATS for suffix in one.suffixes]
    if not target.name.lower().endswith(tuple(known)):
        raise ParameterError(f"{target}: the suffix names no trace format; known are {', '.join(known)}")
    if not target.absolute().parent.is_dir():
        raise ParameterError(f"{target}: no such folder")


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print what was recorded."""
    widths = answer["n_experts"]
    each = counted(widths[0], "expert") if len(set(widths)) == 1 else f"{widths} experts"
    print(
        f"{answer['output']}: {answer['architecture']}, {counted(answer['layers'], 'layer')} of {each}, top_k {answer['top_k']}\n"
        f"{counted(answer['requests'], 'request')} in {counted(answer['rounds'], 'round')} ({answer['prefill_rounds']:,} of prefill) "
        f"and {counted(answer['sessions'], 'session')}"
    )
    cost = answer["overhead"]
    if cost is not None:
        print(
            f"time with recording over time without: {cost['ratio']:.3f} "
            f"({cost['low']:.3f} to {cost['high']:.3f} in {cost['repeats']} pairs)"
        )
