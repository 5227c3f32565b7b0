"""Every condition of the trusted checker, broken one at a time: does a forged certificate notice?

    python tests/mutants/checker.py                  # all of layered_paging/certify; compares with survivors of checker.txt
    python tests/mutants/checker.py ratio.py stall.py
    python tests/mutants/checker.py --write          # rewrite checker.txt: new survivors come without a reason

The conditions are those of ``conditions.py``, the certificates those of ``forgeries.py``.  A mutant lives in a forked
process in which its changed module takes the place of the original; no test suite is run.  It is killed when some
certificate gets another answer: a false one is accepted, a true one refused, the checker crashes, takes more than
three seconds of CPU.  Where only words differ, the statement is set to what the broken checker finds: it is killed when it accepts that, and
the checker does not.  Where only words differ, or nothing, it stays alive, and ``checker.txt`` must say why.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import importlib
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "layered_paging" / "certify"
REASONS = Path(__file__).parent / "checker.txt"
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import repair  # noqa: E402
from conditions import Mutant, compiled, mutants  # noqa: E402
from forgeries import Case, corpus  # noqa: E402

GOOD = 160  # certificates that are accepted
EACH = 30  # certificates that are refused elsewhere in the file, on each road
QUICK = 0.003  # seconds
PATIENCE = 3.0  # seconds of CPU for one certificate
MEMORY = 4 << 30
REPAIRED = ("optimum", "optimum-bound", "placement", "stall")
WORDS = 12  # certificates of other words that are set to what a broken checker finds
# files of each kind of certificate; the others concern all
ONLY = {
    "optimum.py": ("optimum", "optimum-bound"),
    "caches.py": ("ratio-policy", "ratio-lower"),
    "placement.py": ("placement",),
    "ratio_events.py": ("ratio-events",),
    "ratio_game.py": ("ratio-game", "ratio-events", "ratio-random"),
    "ratio_random.py": ("ratio-random",),
    "ratio.py": ("ratio-policy", "ratio-lower", "ratio-game", "ratio-events", "ratio-random"),
    "stall.py": ("stall",),
    "verified.py": ("ratio-policy", "ratio-lower", "ratio-game"),
    "verified_game.py": ("ratio-game",),
}
ASKED = ("verified.py", "verified_game.py")  # these write questions for the proved checker


class Answer(NamedTuple):
    """What the checker says of a certificate: its verdict, its words, the lines of the checker that said no, and its time."""

    verdict: str
    words: str
    lines: frozenset[tuple[str, int]]
    seconds: float = 0.0


def answer(case: Case, asked: bool = False) -> Answer:
    """Return what the checker says, or which numbers it writes for the proved checker."""
    certify = sys.modules["layered_paging.certify"]
    errors = sys.modules["layered_paging.errors"]
    try:
        if case.asked:
            with contextlib.suppress(errors.CertificateRejected):
                certify.check(case.certificate, case.trace, 1)
        if asked or case.asked:
            numbers = sys.modules["layered_paging.certify.verified"].questions(case.certificate)
            return Answer("asked", hashlib.sha256(repr(numbers).encode()).hexdigest(), frozenset())
        certify.check(case.certificate, case.trace, case.limit, case.policy)
        return Answer("accepted", "", frozenset())
    except errors.LayeredPagingError as error:
        seen: Any = error
        lines: set[tuple[str, int]] = set()
        while seen is not None:
            for frame, line in traceback.walk_tb(seen.__traceback__):
                lines.add((Path(frame.f_code.co_filename).name, line))
            seen = seen.__context__
        return Answer("refused", str(error), frozenset(lines))
    except Exception as error:
        return Answer("crash", type(error).__name__, frozenset())


def timed(case: Case, asked: bool = False) -> Answer:
    """Return the answer with the seconds of CPU that it took."""
    began = time.process_time()
    return answer(case, asked)._replace(seconds=time.process_time() - began)


def chosen(mutant: Mutant, cases: list[Case], said: list[Answer]) -> list[int]:
    """Return the certificates that a mutant meets: refused at its lines, accepted, refused in its file, and some others."""
    name = mutant.path.name
    kinds = ONLY.get(name)
    near, good, file, rest = [], [], [], []
    for number, (case, old) in enumerate(zip(cases, said, strict=True)):
        if kinds and case.kind not in kinds:
            continue
        if any(at == name and mutant.first <= line <= mutant.last for at, line in old.lines):
            near.append(number)
        elif old.verdict != "refused":
            good.append(number)
        elif any(at == name for at, _ in old.lines):
            file.append(number)
        else:
            rest.append(number)
    for numbers in (near, good, file, rest):  # the quickest first; only quick ones of what is refused elsewhere
        numbers.sort(key=lambda n: (not cases[n].made, said[n].seconds > QUICK, n))
    made = [n for n in (*good, *file, *rest) if cases[n].made]
    file, rest = ([n for n in numbers if said[n].seconds <= QUICK] for numbers in (file, rest))
    groups: dict[frozenset[tuple[str, int]], list[int]] = {}
    for n in file:  # of each road to a refusal some: what is refused there may pass a rule that is broken elsewhere
        groups.setdefault(said[n].lines, []).append(n)
    some = [n for group in groups.values() for n in group[:: max(1, len(group) // EACH)]]
    order = near + made + good[:GOOD] + some + rest[:: max(1, len(rest) // 40)]
    return list(dict.fromkeys(order))


def install(mutant: Mutant, code: CodeType) -> None:
    """Execute a changed module in place of the original, and hand its new names to all that had imported the old ones."""
    name = "layered_paging.certify" + ("" if mutant.path.stem == "__init__" else f".{mutant.path.stem}")
    module = sys.modules[name]
    old = dict(module.__dict__)
    exec(code, module.__dict__)
    changed = {id(value): key for key, value in old.items() if module.__dict__.get(key) is not value}
    others: list[ModuleType] = [
        m for n, m in sys.modules.items() if n.startswith("layered_paging.certify") and m is not module
    ]
    for other in others:
        for key, value in list(other.__dict__.items()):
            if id(value) in changed and changed[id(value)] in module.__dict__ and not key.startswith("__"):
                other.__dict__[key] = module.__dict__[changed[id(value)]]


def started(mutant: Mutant, code: CodeType, cases: list[Case], said: list[Answer]) -> tuple[int, int]:
    """Fork a process for a mutant; return its number, and the end of the pipe on which it tells the mutant's fate.

    The fate is ``killed``, ``words`` (only words differ, of all that it met) or ``alive``.
    """
    order = chosen(mutant, cases, said)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = b"killed "
        try:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            signal.setitimer(signal.ITIMER_PROF, PATIENCE)
            install(mutant, code)
            status = _met(mutant, order, cases, said)
        except BaseException:
            status = b"killed by import"
        os.write(write, status)
        os._exit(0)
    os.close(write)
    return child, read


def ended(child: int, read: int) -> str:
    """Return the fate that a process has told; one that ended without a word was ended by its limit."""
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text or "killed by time"


def _met(mutant: Mutant, order: list[int], cases: list[Case], said: list[Answer]) -> bytes:
    words, heard, made = "", {"malformed"}, []
    for number in order:
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        new, old = answer(cases[number], mutant.path.name in ASKED), said[number]
        if new.verdict != old.verdict or (new.verdict == "asked" and new.words != old.words):
            return f"killed by {cases[number].name}: {old.verdict} -> {new.verdict}".encode()
        if new.words != old.words:
            words = words or f"words {cases[number].name}: {old.words[:80]!r} -> {new.words[:80]!r}"
            kind = re.sub(r"[\d'/-]+", "", new.words)[:30]
            if cases[number].kind in REPAIRED and (kind not in heard or len(made) < WORDS):
                heard.add(kind)
                signal.setitimer(signal.ITIMER_PROF, 8 * PATIENCE)
                with contextlib.suppress(Exception):
                    made.append(repair.repaired(cases[number]))  # says what the broken checker finds
    signal.setitimer(signal.ITIMER_PROF, 8 * PATIENCE)
    made = [case for case in made if answer(case).verdict == "accepted"]
    install(mutant, compile(mutant.path.read_text(), str(mutant.path), "exec"))
    for case in made:
        if (new := answer(case)).verdict != "accepted":
            return f"killed by {case.name} by the broken checker: {new.words[:80]}".encode()
    return words.encode() or b"alive"


def reasons() -> dict[str, str]:
    """Return the reason of each survivor of ``checker.txt``, by its key."""
    rows = (line.partition("  #") for line in REASONS.read_text().splitlines() if line and line[0] != "#")
    return {key.strip(): reason.strip() for key, _, reason in rows}


def kinds_of(names: list[str]) -> set[Any] | None:
    """Return the kinds of certificates that these files are about; None stands for all, and for what is none."""
    if not names or any(name not in ONLY for name in names):
        return None
    return {kind for name in names for kind in ONLY[name]} | {None}


def run(names: list[str], listed: set[str] | None = None, jobs: int = 1) -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant of these files with its fate; ``jobs`` of them live at once."""
    cases = corpus(kinds_of(names))
    plain = [timed(case) for case in cases]
    gc.freeze()
    asked = [
        timed(case, True) if case.kind in ONLY["verified.py"] else old for case, old in zip(cases, plain, strict=True)
    ]
    living: dict[int, tuple[Mutant, int]] = {}  # end of the pipe -> the mutant and its process
    for mutant, code in _all(names, listed):
        while len(living) >= jobs:
            yield from _heard(living)
        child, read = started(mutant, code, cases, asked if mutant.path.name in ASKED else plain)
        living[read] = mutant, child
    while living:
        yield from _heard(living)


def _all(names: list[str], listed: set[str] | None) -> Iterator[tuple[Mutant, CodeType]]:
    """Yield the mutants of these files with their changed modules."""
    for path in sorted(FOLDER.glob("*.py")):
        if not names or path.name in names:
            for mutant, code in zip(mutants(path, ROOT), compiled(path), strict=True):
                if listed is None or mutant.key in listed:
                    yield mutant, code


def _heard(living: dict[int, tuple[Mutant, int]]) -> Iterator[tuple[Mutant, str]]:
    """Wait until some mutants have ended; yield each with its fate."""
    for read in select.select(list(living), [], [])[0]:
        mutant, child = living.pop(read)
        yield mutant, ended(child, read)


def main() -> int:
    """Run the mutants, and compare the survivors with the list; 1 where they differ or a reason is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="files of layered_paging/certify (default: all)")
    parser.add_argument("--write", action="store_true", help="rewrite the list of survivors, keeping the reasons")
    parser.add_argument("--listed", action="store_true", help="only the mutants that the list names")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at once (default: one per core)")
    parser.add_argument("--verbose", action="store_true", help="print the fate of every mutant")
    args = parser.parse_args()
    for name in ("optimum", "placement", "stall", "ratio", "ratio_game", "ratio_events", "ratio_random", "verified"):
        importlib.import_module(f"layered_paging.certify.{name}")
    began, known = time.process_time(), reasons()
    alive: dict[str, str] = {}
    count = 0
    for mutant, end in run(args.files, set(known) if args.listed else None, args.jobs):
        count += 1
        if args.verbose or (not end.startswith("killed") and mutant.key not in known):
            print(f"{mutant.key}  # {end}", flush=True)
        if not end.startswith("killed"):
            alive[mutant.key] = end
    used = time.process_time() - began + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    files = args.files or [path.name for path in FOLDER.glob("*.py")]
    here = {key for key in known if Path(key.partition(": ")[0]).name in files}
    gone, new = sorted(here - set(alive)), sorted(set(alive) - here)
    bare = sorted(key for key in here & set(alive) if not known[key])
    print(f"{count} mutants, {count - len(alive)} killed, {len(alive)} alive, of which {len(alive) - len(new) - len(bare)} explained; "
          f"{used:.0f} s of CPU, {used / max(1, count):.2f} s a mutant")  # fmt: skip
    if args.write:
        head = [line for line in REASONS.read_text().splitlines() if line.startswith("#")]
        kept = {key: value for key, value in known.items() if key not in here}
        kept |= {key: known.get(key, "") for key in alive}
        REASONS.write_text(
            "\n".join([*head, *(f"{key}  # {kept[key]}" if kept[key] else key for key in sorted(kept))]) + "\n"
        )
    for title, keys in (("in the list, but killed or gone", gone), ("without a reason", [*new, *bare])):
        for key in keys:
            print(f"{title}: {key}")
    return int(bool(gone or new or bare))


if __name__ == "__main__":
    raise SystemExit(main())
