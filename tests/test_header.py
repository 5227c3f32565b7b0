"""The C header decides exactly as the reference classes, refuses what it must, and keeps to its memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core.layout import Time, quotas
from layered_paging.engine.run import history
from layered_paging.live.header import POLICIES, header, text_of
from layered_paging.policies.lfu_decay import LFUDecay

FOLDER = Path(__file__).resolve().parent
INCLUDE = FOLDER.parent / "layered_paging" / "live"
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
SANE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
COMPILER = shutil.which("cc")
REAL = Path(os.environ.get("LAYERED_PAGING_TRACES", FOLDER.parent.parent / "shared" / "traces"))
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler named cc")

NEW, SERVE, RESET, ROUND, FIND = range(5)
Play = Callable[[list[int]], np.ndarray]


def player(program: Path) -> Play:
    """Return what runs the driver and gives its answers."""

    def run(words: list[int]) -> np.ndarray:
        done = subprocess.run([program], input=np.array(words, "<i4").tobytes(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return np.frombuffer(done.stdout, "<i4")

    return run


def compiled(source: Path, target: Path, *flags: str, compiler: str = "cc") -> Path:
    words = [compiler, *flags, f"-I{INCLUDE}", str(source), "-o", str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode and "sanitize" in " ".join(flags) and "cannot find" in done.stderr:
        pytest.skip("the C compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module", params=["plain", "sanitized"])
def play(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Play:
    flags = ["-std=c99", *STRICT, *(SANE if request.param == "sanitized" else ["-O2"])]
    return player(compiled(FOLDER / "header" / "driver.c", tmp_path_factory.mktemp("c") / "driver", *flags))


def options(trace: lp.Trace, slots: int, pool: str, policy: str, half_life: int = 0) -> list[int]:
    per_layer = int(pool == "per-layer")
    head = [NEW, trace.layers, int(trace.n_experts[0]), slots, per_layer, POLICIES.index(policy), half_life]
    if per_layer and not all(trace.asked):
        return [*head, trace.layers, *quotas(slots, trace.layers, trace.asked)]
    return [*head, 0]


def told(trace: lp.Trace, resets: bool) -> Iterator[list[int]]:
    """Yield what the driver is told of each event."""
    for r in range(trace.rounds):
        begin = [RESET] if resets and r > 0 and r in trace.sessions else []
        for j in range(trace.layers):
            ids = [int(e) for e in trace.experts[r, j] if e >= 0]
            yield [*begin, SERVE, j, len(ids), *ids]
            begin = []


def same(trace: lp.Trace, slots: int, pool: str, resets: bool, policy: str, play: Play, half_life: int = 0) -> None:
    """Raise unless the header and the reference do the same, event by event, and slots hold what they should."""
    events = list(told(trace, resets))
    said = iter(play(options(trace, slots, pool, policy, half_life) + [word for event in events for word in event]))
    assert next(said) == 0
    name = policy + (f"(half_life={half_life})" if half_life else "")
    holds: dict[int, int] = {}
    experts = int(trace.n_experts[0])
    how = {"pool": pool, "reset": "session" if resets else "never"}
    for event, step in zip(events, history(trace, name, slots, **how), strict=True):
        if event[0] == RESET:
            holds, event = {}, event[1:]
        layer, ids = event[1], event[3:]
        loads = next(said)
        assert loads == len(step.misses)
        where = [next(said) for _ in ids]
        fills = [(next(said), next(said), next(said)) for _ in range(loads)]
        assert [layer * experts + fill[0] for fill in fills] == sorted(step.misses)
        assert [fill[2] for fill in fills if fill[2] >= 0] == list(step.evicted)
        for expert, slot, evicted in fills:
            assert holds.get(slot, -1) == evicted
            assert 0 <= slot < slots
            holds[slot] = layer * experts + expert
        assert [holds[slot] for slot in where] == [layer * experts + e for e in ids]
        if pool == "shared":
            assert set(holds.values()) == step.resident
    assert next(said, None) is None


@st.composite
def traces(draw: st.DrawFn) -> lp.Trace:
    layers, experts = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    width = draw(st.integers(1, min(4, experts)))
    event = st.lists(st.integers(0, experts - 1), max_size=width, unique=True)
    rounds = draw(st.lists(st.lists(event, min_size=layers, max_size=layers), min_size=1, max_size=25))
    rows = np.full((len(rounds), layers, width), -1, np.int16)
    for r, events in enumerate(rounds):
        for j, members in enumerate(events):
            rows[r, j, : len(members)] = members
    rows[0, 0, 0] = max(rows[0, 0, 0], 0)  # a trace has a request
    starts = sorted({0, *draw(st.lists(st.integers(0, len(rounds) - 1), max_size=3))})
    return lp.Trace(rows, experts, starts)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("pool", ["shared", "per-layer"])
@settings(max_examples=60, deadline=None)
@given(trace=traces(), extra=st.integers(0, 9), resets=st.booleans(), half_life=st.sampled_from([0, 1, 2, 8]))
def test_decides_as_the_reference(
    play: Play, policy: str, pool: str, trace: lp.Trace, extra: int, resets: bool, half_life: int
) -> None:
    slots = extra + trace.top_k * (trace.layers if pool == "per-layer" else 1)
    same(trace, slots, pool, resets, policy, play, half_life if policy == "lfu-decay" else 0)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("pool", ["shared", "per-layer"])
def test_decides_as_the_reference_on_real_traces(play: Play, policy: str, pool: str) -> None:
    files = [path for path in sorted(REAL.glob("*.npz")) if path.stat().st_size > 0]
    if not files:
        pytest.skip(f"there are no traces in {REAL}")
    for path in files:
        whole = lp.load_trace(path)
        middle = int(whole.sessions[len(whole.sessions) // 2])
        experts = whole.experts[middle : middle + 12]
        starts = whole.sessions[(whole.sessions > middle) & (whole.sessions < middle + len(experts))] - middle
        part = lp.Trace(experts, whole.n_experts, [0, *starts.tolist()])
        same(part, part.layers * (part.top_k + 3), pool, True, policy, play)


@pytest.mark.parametrize("policy", POLICIES)
def test_decides_as_the_reference_for_a_long_time(play: Play, policy: str) -> None:
    """More rounds than anything is remembered for, and a layer that is left out for longer than that."""
    experts = lp.workloads.zipf(3, 70, 1300, top_k=3, seed=8).experts.copy()
    experts[300:1000, 1] = -1
    same(lp.Trace(experts, 70), 30, "shared", False, policy, play)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_products_are_not_fused_with_sums(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    source = tmp_path / "sums.c"
    source.write_text(
        '#include "layered_cache.h"\n#include <stdio.h>\n#include <stdlib.h>\nint main(void) {\n'
        "layered_cache_options o = {1, 1, 1, 0, LAYERED_CACHE_LFU_DECAY, 4, NULL}; layered_cache c; int32_t id = 0, i, k;\n"
        "layered_cache_fill fill; size_t bytes = layered_cache_bytes(&o);\n"
        "layered_cache_init(&c, &o, malloc(bytes), bytes);\n"
        "for (i = 0; i < 500; i++) { for (k = 0; k <= i % 7; k++) layered_cache_begin_round(&c);\n"
        "layered_cache_serve(&c, 0, &id, 1, NULL, &fill); fwrite(c.value, sizeof *c.value, 1, stdout); }\nreturn 0; }\n"
    )
    flags = ["-std=gnu99", "-O3", "-march=native", "-ffp-contract=fast"]
    program = compiled(source, tmp_path / "sums", *flags, compiler=compiler)
    got = np.frombuffer(subprocess.run([program], capture_output=True, check=True).stdout)
    policy, round_, want = LFUDecay(lp.Instance(1, 1, 1), half_life=4), -1, []
    for i in range(500):
        round_ += i % 7 + 1
        policy.hit(0, Time(round_, round_, 0))
        want.append(policy._value[0])
    assert got.tolist() == want


def test_the_numbers_of_lfu_decay_are_those_of_the_reference(tmp_path: Path) -> None:
    source = tmp_path / "factors.c"
    source.write_text(
        '#include "layered_cache.h"\n#include <stdio.h>\nint main(void) {\n'
        "uint64_t h, age; for (h = 1; h <= 32; h *= 2) for (age = 0; age <= 1100 * h; age++) {\n"
        "double f = layered_cache_factor_(age * (32 / h)); fwrite(&f, sizeof f, 1, stdout); }\nreturn 0; }\n"
    )
    program = compiled(source, tmp_path / "factors", "-std=c99", "-O2")
    got = np.frombuffer(subprocess.run([program], capture_output=True, check=True).stdout)
    problem = lp.Instance(1, 1, 1)
    for half_life in (1, 2, 4, 8, 16, 32):
        factor = LFUDecay(problem, half_life=half_life).factor
        want = np.array([factor(age) for age in range(1100 * half_life + 1)])
        here, got = got[: len(want)], got[len(want) :]
        assert here.tobytes() == want.tobytes()
    assert len(got) == 0


@pytest.mark.parametrize("words", [[], ["gcc"], ["clang"], ["g++", "-x", "c++"], ["clang++", "-x", "c++"]], ids=str)
@pytest.mark.parametrize("standard", ["oldest", "newest"])
def test_compiles_without_a_warning(words: list[str], standard: str, tmp_path: Path) -> None:
    compiler = words[0] if words else "cc"
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    plain = "c++" not in words
    named = {"oldest": "c99", "newest": "c11"} if plain else {"oldest": "c++98", "newest": "c++17"}
    flags = [*words[1:], f"-std={named[standard]}", *STRICT, "-O2"]
    compiled(FOLDER / "header" / "driver.c", tmp_path / "driver", *flags, compiler=compiler)
    assert len(header().splitlines()) <= 600


def test_refuses_bad_options(play: Play) -> None:
    good = [2, 4, 3, 0, 0, 0]
    for at, value in (
        (0, 0),
        (0, -1),
        (0, 1 << 23),
        (1, 0),
        (1, 1 << 24),
        (2, 0),
        (2, (1 << 24) + 1),
        (3, 2),
        (3, -1),
        (4, -1),
        (4, len(POLICIES)),
        (5, 3),
        (5, -1),
        (5, 64),
    ):
        wrong = [*good]
        wrong[at] = value
        assert play([NEW, *wrong, 0]).tolist() == [-1], (at, value)
    assert play([NEW, *good, 0]).tolist() == [0]
    layers, experts, slots, _, policy, half_life = good
    for per_layer, split, answer in (
        (1, [1, 2], 0),
        (1, [0, 3], 0),
        (1, [1, 1], -1),
        (1, [4, -1], -1),
        (1, [2, 2], -1),
    ):
        head = [NEW, layers, experts, slots, per_layer, policy, half_life, 2]
        assert play([*head, *split]).tolist() == [answer], split
        assert play([*head[:4], 0, *head[5:], *split]).tolist() == [-1]
    assert play([NEW, 2, 4, 3, 1, 0, 0, 2, 0, 3, SERVE, 0, 1, 0, SERVE, 1, 3, 0, 1, 2]).tolist()[:3] == [0, -6, 3]


@pytest.mark.parametrize("policy", range(len(POLICIES)))
@pytest.mark.parametrize("per_layer", [0, 1])
def test_refuses_bad_events_and_changes_nothing(play: Play, policy: int, per_layer: int) -> None:
    start = [NEW, 2, 4, 6, per_layer, policy, 0, 0, SERVE, 0, 3, 2, 0, 1, SERVE, 1, 3, 3, 0, 1]
    wrong: dict[int, list[list[int]]] = {
        -3: [[SERVE, -1, 1, 0], [SERVE, 2, 1, 0]],
        -4: [[SERVE, 0, 1, -1], [SERVE, 0, 2, 3, 4], [SERVE, 0, 1, 2**31 - 1], [SERVE, 1, 1, -(2**31)]],
        -5: [[SERVE, 0, 2, 1, 1], [SERVE, 1, 3, 2, 0, 2]],
        -6: [[SERVE, 0, 5, 0, 1, 2, 3, 3], *([[SERVE, 0, 4, 0, 1, 2, 3]] if per_layer else [])],
        -7: [[SERVE, 0, -1]],
    }
    after = [SERVE, 0, 2, 3, 1, *(word for j in (0, 1) for e in range(4) for word in (FIND, j, e))]
    clean, before = play(start + after).tolist(), len(play(start))
    for code, events in wrong.items():
        for event in events:
            got = play(start + event + after).tolist()
            assert got == [*clean[:before], code, *clean[before:]], (code, event)
    assert play([*start, FIND, 2, 0, FIND, 0, -1, FIND, 0, 4]).tolist()[-3:] == [-1, -1, -1]


def test_rounds_that_skip_layers_are_told(play: Play) -> None:
    trace = lp.Trace([[[0], [-1], [-1]], [[-1], [0], [-1]], [[-1], [-1], [1]], [[-1], [0], [-1]], [[0], [0], [0]]], 2)
    events = [word for r, row in enumerate(trace.experts) for word in (ROUND, *one(r, row))]
    said = play(options(trace, 2, "shared", "llru") + events).tolist()
    want = [step for step in history(trace, "llru", 2) if step.event.pages]
    got, at = [], 1
    for step in want:
        loads = said[at]
        fills = [said[at + 2 + 3 * i : at + 5 + 3 * i] for i in range(loads)]
        got.append(tuple(fill[2] for fill in fills if fill[2] >= 0))
        at += 2 + 3 * loads
        assert loads == len(step.misses)
    assert got == [step.evicted for step in want]


def one(r: int, row: Iterable[Iterable[int]]) -> list[int]:
    return [word for j, (e,) in enumerate(row) if e >= 0 for word in (SERVE, j, 1, int(e))]


def test_the_example_prints_what_the_replay_counts(tmp_path: Path) -> None:
    trace = lp.workloads.zipf(4, 16, 300, top_k=3, sessions=4, seed=6)
    lp.save_trace(trace, tmp_path / "a.npz")
    for what, name in (("header", "layered_cache.h"), ("example", "misses.c")):
        assert main(["export", what, "-o", str(tmp_path / name)]) == 0
    assert main(["export", "events", str(tmp_path / "a.npz"), "-o", str(tmp_path / "a.txt")]) == 0
    assert (tmp_path / "a.txt").read_text() == "".join(text_of(trace))
    words = ["cc", "-std=c99", "-O2", *STRICT, "misses.c", "-o", "misses"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    alone = subprocess.run([str(tmp_path / "misses"), "4"], capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stdout) == (2, "") and "LAYERS EXPERTS SLOTS PER_LAYER" in alone.stderr
    for per_layer, pool in enumerate(["shared", "per-layer"]):
        with (tmp_path / "a.txt").open("rb") as lines:
            told = [str(tmp_path / "misses"), "4", "16", "21", str(per_layer)]
            done = subprocess.run(told, stdin=lines, check=True, capture_output=True, text=True)
        want = [lp.replay(trace, policy, 21, pool=pool, reset="session").misses for policy in POLICIES]
        rows = [line.split() for line in done.stdout.splitlines()]
        assert [(row[0], int(row[1]), row[4]) for row in rows] == [
            (name, misses, f"{trace.requests},") for name, misses in zip(POLICIES, want, strict=True)
        ]


def test_the_example_refuses_what_is_no_trace(tmp_path: Path) -> None:
    program = compiled(INCLUDE / "misses.c", tmp_path / "misses", "-std=c99", "-O2", *STRICT)
    good = ("2", "8", "3", "0")

    def said(text: str, given: Sequence[str] = good) -> str:
        done = subprocess.run([program, *given], input=text.encode(), capture_output=True, check=False)
        assert (done.returncode == 0) == (done.stderr == b"") == (done.stdout != b"")
        return done.stderr.decode()

    assert said("-1\n0 1\n1\n") == said("-1\r\n0 1") == said("0\n" + " " * 70_000 + "1 2 3\n") == ""
    for line in ("hello", "0 x", "0 1.5", "1 2 abc", "-1 3 4", "-5", "0 4294967297", "", "0 1\0 2", " " * (1 << 20)):
        assert said(f"0 1\n{line}\n") == "misses: line 2 must be a layer and its experts, or -1\n", line[:20]
    assert said("") == "misses: no line was read\n"
    assert "experts must be in" in said("0 1 -1\n")
    assert "an option" in said("0 1\n", ("2", "8x", "3", "0"))


def test_slots_may_take_the_place_of_ids(tmp_path: Path) -> None:
    source = tmp_path / "place.c"
    source.write_text(
        '#include "layered_cache.h"\n#include <stdlib.h>\nint main(void) {\nint policy, r, i, n, a, b; unsigned seed = 5;\n'
        "for (policy = 0; policy < LAYERED_CACHE_POLICIES; policy++) {\n"
        "layered_cache_options o = {1, 40, 13, 0, 0, 0, NULL}; layered_cache c, d; size_t bytes; layered_cache_fill f[9], g[9];\n"
        "o.policy = policy; bytes = layered_cache_bytes(&o);\n"
        "layered_cache_init(&c, &o, malloc(bytes), bytes); layered_cache_init(&d, &o, malloc(bytes), bytes);\n"
        "for (r = 0; r < 500; r++) { int32_t ids[9], same[9], slots[9];\n"
        "seed = seed * 1664525u + 1013904223u; n = 1 + (int)(seed >> 8) % 9;\n"
        "for (i = 0; i < n; i++) same[i] = ids[i] = (int32_t)((seed >> 20) + 11u * (unsigned)i) % 40;\n"
        "a = layered_cache_serve(&c, 0, ids, n, slots, f); b = layered_cache_serve(&d, 0, same, n, same, g);\n"
        "if (a < 0 || a != b || memcmp(f, g, (size_t)a * sizeof *f) != 0) return 1;\n"
        "for (i = 0; i < n; i++) if (same[i] != slots[i] || slots[i] != layered_cache_find(&c, 0, ids[i])) return 2; }\n"
        "}\nreturn 0; }\n"
    )
    program = compiled(source, tmp_path / "place", "-std=c99", *STRICT, *SANE)
    done = subprocess.run(
        [program], capture_output=True, check=False, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    )
    assert done.returncode == 0, done.stderr.decode()


def test_more_memory_than_a_machine_can_address_is_refused(tmp_path: Path) -> None:
    """Where a size has 32 bits, 2^20 layers of one expert need more than 4 GiB for similar-rounds."""
    source = tmp_path / "sizes.c"
    source.write_text(
        "#include <float.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n#include <stdio.h>\n"
        "#ifdef NARROW\n#define size_t uint32_t\n#endif\n"
        '#include "layered_cache.h"\nint main(void) {\n'
        "layered_cache c; int64_t word; int policy, per_layer; static const int32_t sizes[3][3] = {\n"
        "{24, 32, 192}, {1 << 20, 1, 16}, {1 << 24, 1, 1 << 24}}; size_t i;\n"
        "for (i = 0; i < 3; i++) for (policy = 0; policy < LAYERED_CACHE_POLICIES; policy++)\n"
        "for (per_layer = 0; per_layer < 2; per_layer++) { layered_cache_options o = {0, 0, 0, 0, 0, 0, NULL};\n"
        "o.layers = sizes[i][0]; o.experts = sizes[i][1]; o.slots = sizes[i][2]; o.per_layer = per_layer; o.policy = policy;\n"
        'printf("%.0f ", (double)layered_cache_bytes(&o));\n'
        'if (layered_cache_bytes(&o) == 0) printf("%d ", layered_cache_init(&c, &o, &word, 8)); }\nreturn 0; }\n'
    )
    wide, narrow = (
        subprocess.run(
            [compiled(source, tmp_path / name, "-std=c99", "-O1", *flags)], capture_output=True, text=True, check=True
        ).stdout.split()
        for name, flags in (("wide", []), ("narrow", ["-DNARROW"]))
    )
    assert all(int(bytes_) > 0 for bytes_ in wide)
    if max(map(int, wide)) >= 1 << 32:
        want = [word for bytes_ in wide for word in ([bytes_] if int(bytes_) < 1 << 31 else ["0", "-1"])]
        assert narrow == want
        assert "-1" in want


def test_export_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "a.h"
    there.write_text("mine")
    assert main(["export", "header", "-o", str(there)]) == 2
    assert there.read_text() == "mine"
    assert main(["export", "events", "-o", str(tmp_path / "b")]) == 2
    assert main(["export", "header", "trace.npz", "-o", str(tmp_path / "b")]) == 2
    assert all("error" in line or "export" in line for line in capsys.readouterr().err.splitlines())
    assert main(["export", "header", "-o", str(there), "--force"]) == 0
    assert there.read_text() == header()


def test_the_adapters_of_the_page(tmp_path: Path) -> None:
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler named c++")
    page = (FOLDER.parent / "docs" / "how-to" / "live.md").read_text()
    blocks = re.findall(r"^```(?:c|cpp)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "adapters.inc").write_text("\n".join(blocks))
    flags = ["-std=c++11", *STRICT, *SANE, f"-I{tmp_path}"]
    program = compiled(FOLDER / "header" / "adapters.cpp", tmp_path / "adapters", *flags, compiler="c++")
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_figures_of_the_page(tmp_path: Path) -> None:
    path = REAL / "gpt_oss_20b.npz"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    trace = lp.load_trace(path)
    program = compiled(INCLUDE / "misses.c", tmp_path / "misses", "-std=c99", "-O2")
    done = subprocess.run(
        [program, "24", "32", "192", "0"], input="".join(text_of(trace)), capture_output=True, text=True, check=True
    )
    page = (FOLDER.parent / "docs" / "how-to" / "live.md").read_text()
    for policy, line in zip(POLICIES, done.stdout.splitlines(), strict=True):
        misses = lp.replay(trace, policy, 192, reset="session").misses
        assert line.split()[:5] == [policy, str(misses), "misses", "of", f"{trace.requests},"]
        told = next(row for row in page.splitlines() if row.startswith(f"{policy} "))
        assert (told.split()[:5], told.split()[-2:]) == (line.split()[:5], line.split()[-2:])
