"""Run a model with its experts on the disk, at several budgets: same answers, loads counted twice, time per token.

    python -m layered_paging.samples.train -o made --steps 60
    python -m layered_paging.samples.serve made/model --slots 24 48 72

Any model that ``layered-paging record`` takes will do, if its experts are stacked (see ``lp.recording.experts_on_disk``).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.trace import Trace
from ..engine.run import replay
from ..errors import LayeredPagingError
from ..recording import experts_on_disk
from ..recording.driving import Running, load_model, record_prompts
from ..recording.prompts import Prompt, read_prompts

__all__ = ["Row", "compare", "main"]

PROMPTS = ("def total(values):\n    ", "Once upon a time there was ", "12 + 30 = ")


@dataclass(frozen=True)
class Row:
    """One way to run the model.

    Attributes
    ----------
    policy : str
        ``"in memory"``: all experts there.
    slots : int
    loads, replayed : int
        Loads as they happened, and as ``lp.replay`` counts them for the trace recorded in the same run.
    mib_read : float
    regret : int
        Loads beyond the optimum of this run.
    ms_per_token, ms_reading : float
        Wall time per new token, all included, and what of it went into reads.
    same : bool
        Whether the logits of every call are those of the model in memory, bit for bit.
    """

    policy: str
    slots: int
    loads: int = 0
    replayed: int = 0
    mib_read: float = 0.0
    regret: int = 0
    ms_per_token: float = 0.0
    ms_reading: float = 0.0
    same: bool = True


def compare(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    policies: Sequence[str],
    slots: Sequence[int],
    *,
    new_tokens: int = 64,
    cold: bool = False,
    folder: Path | None = None,
) -> Iterator[Row]:
    """Yield the model in memory, then each policy at each number of slots; the cache stays warm from prompt to prompt.

    Raises
    ------
    LayeredPagingError
        The model cannot be run so (see ``experts_on_disk``), or loads differ from those of the replay.
    """
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    running = Running(mode="sample", new_tokens=new_tokens, temperature=0.8)  # greedy words soon go round in circles

    def run() -> tuple[Trace, float, str]:
        with _heard(model) as heard:
            start = time.perf_counter()
            recorder = record_prompts(model, tokenizer, prompts, running)
            return recorder.trace(), time.perf_counter() - start, heard.hexdigest()

    run()  # the first run is slower
    trace, seconds, said = run()
    tokens = len(prompts) * new_tokens
    yield Row("in memory", trace.pages, ms_per_token=1e3 * seconds / tokens)
    for count in slots:
        for policy in policies:
            with (
                tempfile.TemporaryDirectory(dir=folder, prefix="experts-") as made,
                experts_on_disk(model, Path(made) / "experts", count, policy, cold=cold) as disk,
            ):
                trace, seconds, also = run()
            want = replay(trace, policy, count, prefill="merged").misses
            if want != disk.loads:
                raise LayeredPagingError(f"{policy}, {count} slots: {disk.loads} loads, and {want} in the replay")
            yield Row(
                policy,
                count,
                disk.loads,
                want,
                disk.bytes_read / 2**20,
                disk.cache.regret(),
                1e3 * seconds / tokens,
                1e3 * disk.seconds / tokens,
                also == said,
            )


@contextmanager
def _heard(model: Any) -> Iterator[Any]:
    """Give a digest of the logits of every call of the model."""
    digest = hashlib.sha256()

    def hear(module: Any, args: tuple[Any, ...], output: Any) -> None:
        digest.update(output.logits.detach().float().contiguous().numpy().tobytes())

    handle = model.register_forward_hook(hear)
    try:
        yield digest
    finally:
        handle.remove()


def main(words: Sequence[str] | None = None) -> int:
    """Run from the command line; return 0, 1 if an answer differed, 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m layered_paging.samples.serve", description=__doc__.split("\n")[0])
    parser.add_argument("model", metavar="MODEL", help="a folder, or a name on the hub")
    parser.add_argument("--slots", nargs="+", type=int, required=True, metavar="N", help="experts held in memory")
    parser.add_argument("--policy", nargs="+", default=["lru", "llru", "similar-rounds"], metavar="P")
    parser.add_argument("--prompts", metavar="FILE", help="as for 'record' (default: three short ones)")
    parser.add_argument(
        "--tokenizer", action="store_true", help="use the model's tokenizer (default: tokens are bytes)"
    )
    parser.add_argument("--new-tokens", type=int, default=64, metavar="N", help="per prompt (default: 64)")
    parser.add_argument("--cold", action="store_true", help="tell the system to forget each expert once it is read")
    parser.add_argument(
        "--folder", type=Path, help="where to keep the experts (default: the system's temporary folder)"
    )
    args = parser.parse_args(words)
    try:
        model, tokenizer = load_model(args.model, byte_tokens=not args.tokenizer)
        prompts = read_prompts(args.prompts) if args.prompts else [Prompt(text) for text in PROMPTS]
        print(f"{'policy':<16}{'slots':>6}{'loads':>8}{'replay':>8}{'regret':>8}{'MiB':>8}", end="")
        print(f"{'ms/token':>10}{'reading':>9}  answers")
        same = True
        rows = compare(
            model,
            tokenizer,
            prompts,
            args.policy,
            args.slots,
            new_tokens=args.new_tokens,
            cold=args.cold,
            folder=args.folder,
        )
        for row in rows:
            same = same and row.same
            print(f"{row.policy:<16}{row.slots:>6}{row.loads:>8}{row.replayed:>8}{row.regret:>8}", end="")
            print(f"{row.mib_read:>8.1f}{row.ms_per_token:>10.2f}{row.ms_reading:>9.2f}", end="")
            print(f"  {'equal' if row.same else 'DIFFERENT'}", flush=True)
    except LayeredPagingError as error:
        print(f"layered_paging.samples.serve: {error}", file=sys.stderr)
        return 2
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
