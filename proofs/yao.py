"""The Yao bounds of uniform layered sources, and what they exceed.

A phase of the optimum lasts until all k + 1 pages were requested; its expected length by first-step analysis over
the numbers of pages still missing is compared with the closed series of ``coupon``, as fractions.  That no policy misses
less than 1 / (widest layer) per round is claim ``yao-source-cost``.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from layered_paging import coupon
from layered_paging.claims import certified_optimal
from layered_paging.core.registry import register

PAPER = ("angelopoulos-marchal-obrecht-simon-2025", "yao-1977")


def phase(widths: tuple[int, ...], start: int) -> tuple[Fraction, tuple[Fraction, ...]]:
    """Return the expected steps to see every page, beginning in layer ``start``, and the law of the last layer."""
    layers = len(widths)

    @cache
    def solve(layer: int, missing: tuple[int, ...]) -> tuple[Fraction, tuple[Fraction, ...]]:
        stay, steps, law = Fraction(1), Fraction(0), [Fraction(0)] * layers
        for d in range(layers):
            j = (layer + d) % layers
            steps += stay
            chance = stay * Fraction(missing[j], widths[j])
            if chance:
                rest = tuple(m - (i == j) for i, m in enumerate(missing))
                more, ends = solve((j + 1) % layers, rest) if sum(rest) else (Fraction(0), _unit(layers, j))
                steps += chance * more
                law = [a + chance * b for a, b in zip(law, ends, strict=True)]
            stay -= chance
        return steps / (1 - stay), tuple(a / (1 - stay) for a in law)

    return solve(start, widths)


def _unit(layers: int, at: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(i == at) for i in range(layers))


@register(
    "claim",
    "yao-exact",
    cites=PAPER,
    statement="At k = l n - 1, n >= 2, the exact Yao bound of the uniform source is",
    latex=r"r \ge \frac{1}{l n} \sum_{s \ge 0} [1 - F_n(q+1)^r F_n(q)^{l-r}],\; s + 1 = q l + r",
    status="[derived]",
    evidence="exhaustive",
    scope={"small": "l n <= 12", "full": "l n <= 18"},
    control={"scale": Fraction(1001, 1000)},
    breaks="series and first steps differ",
)
def yao_exact(scope: str = "small", *, scale: Fraction = Fraction(1)) -> str | None:
    """Return a size at which the series differs from first-step analysis."""
    most = 12 if scope == "small" else 18
    for layers in range(1, most // 2 + 1):
        for experts in range(2, most // layers + 1):
            steps, _ = phase((experts,) * layers, 0)
            value = (steps - 1) / (layers * experts)
            if coupon.yao_bound(layers, experts) * scale != value:
                return f"l = {layers}, n = {experts}: series and first steps differ ({value})"
    return None


@register(
    "claim",
    "yao-above-harmonic",
    cites=PAPER,
    statement="For l >= 2 the exact Yao bound is at least H_n, and larger except at l = n = 2:",
    latex=r"Y(l, n) > H_n \text{ for } l \ge 2,\; (l, n) \ne (2, 2);\quad Y(2, 2) = H_2",
    status="[computed]",
    evidence="exhaustive",
    scope={"small": "l <= 8, n <= 12", "full": "l <= 24, n <= 40, and 61 x 256"},
    control={"strict": True},
    breaks="the bound is",
)
def yao_above_harmonic(scope: str = "small", *, strict: bool = False) -> str | None:
    """Return a size at which the bound is not larger than H_n."""
    sizes = [(layers, n) for layers in range(2, 9) for n in range(2, 13)]
    if scope == "full":
        sizes = [(layers, n) for layers in range(2, 25) for n in range(2, 41)] + [(61, 256)]
    for layers, experts in sizes:
        if (layers, experts) == (2, 2):
            if strict or coupon.yao_bound(2, 2) != coupon.harmonic(2):
                return f"l = n = 2: the bound is {coupon.yao_bound(2, 2)}"
        elif not coupon.enclose_yao(layers, experts, digits=12).lower > coupon.harmonic(experts):
            return f"l = {layers}, n = {experts}"
    return None


@register(
    "claim",
    "yao-general",
    cites=PAPER,
    statement="For widths n_1..n_l with sum k + 1, uniform in each layer, the ratio is at least the expected rounds of a phase over max n_j:",
    latex=r"r \ge \frac{E[\text{steps of a phase}]}{l \max_j n_j}",
    status="[derived]",
    evidence="exhaustive",
    scope={"small": "every order of widths with sum <= 7", "full": "every order of widths with sum <= 10"},
    control={"scale": Fraction(1001, 1000)},
    breaks="not the mean length of a phase",
)
def yao_general(scope: str = "small", *, scale: Fraction = Fraction(1)) -> str | None:
    """Return widths at which the series differs from first-step analysis."""
    for pages in range(2, 8 if scope == "small" else 11):
        for widths in _compositions(pages):
            if max(widths) < 2:
                continue
            rows = [phase(widths, start) for start in range(len(widths))]
            weights = [Fraction(1, len(widths))] * len(widths)
            bound = coupon.split_bound(widths) * scale * len(widths) * max(widths)
            # mean length in the stationary law of starts: the series must be consistent with the renewal equation
            if not _is_mean(rows, bound, weights):
                return f"not the mean length of a phase: widths {widths}: {coupon.split_bound(widths)}"
    return None


def _compositions(total: int) -> list[tuple[int, ...]]:
    if total == 0:
        return [()]
    return [(head, *rest) for head in range(1, total + 1) for rest in _compositions(total - head)]


def _is_mean(rows: list[tuple[Fraction, tuple[Fraction, ...]]], mean: Fraction, start: list[Fraction]) -> bool:
    """Whether ``mean`` is the long-run phase length: some potential h solves length + P h = mean + h.

    Solved by elimination with h_0 = 0, so nothing of the stationary law is used.
    """
    n = len(rows)
    # unknowns: g, h_1 .. h_(n-1);  length_i - 1 + sum_j P_ij h_j - h_i = g
    system = [
        [Fraction(1)] + [Fraction(i == j) - law[j] for j in range(1, n)] + [steps - 1]
        for i, (steps, law) in enumerate(rows)
    ]
    for at in range(n):
        pivot = next(i for i in range(at, n) if system[i][at])
        system[at], system[pivot] = system[pivot], system[at]
        system[at] = [x / system[at][at] for x in system[at]]
        for i in range(n):
            if i != at:
                system[i] = [x - system[i][at] * y for x, y in zip(system[i], system[at], strict=True)]
    return system[0][n] == mean


@register(
    "claim",
    "heavy-layer",
    cites=(),
    statement="If k >= l and n >= k - l + 2, the Yao bound of one layer of k - l + 2 pages and one page in each other is (a theorem for every n, claim `theorem-randomized-harmonic`)",
    latex=r"r_{\text{randomized}} \ge H_{k-l+1}",
    status="[derived]",
    evidence="exhaustive",
    scope={"small": "l <= 4, k <= 8", "full": "l <= 6, k <= 14"},
    control={"extra": 1},
    breaks="not H_(k-l+1)",
)
def heavy_layer(scope: str = "small", *, extra: int = 0) -> str | None:
    """Return a size at which the Yao bound of this split is not H_(k-l+1)."""
    layers_, slots_ = (4, 8) if scope == "small" else (6, 14)
    for layers in range(1, layers_ + 1):
        for slots in range(layers, slots_ + 1):
            bound = coupon.split_bound([slots - layers + 2] + [1] * (layers - 1))
            if bound != coupon.harmonic(slots - layers + 1 + extra):
                return f"not H_(k-l+1): l = {layers}, k = {slots}: {bound}"
    return None


@register(
    "claim",
    "log-k",
    cites=("angelopoulos-marchal-obrecht-simon-2025", "joag-dev-proschan-1983"),
    statement="At k = l n - 1, n >= 2, the randomized ratio is Omega(log k) uniformly in l and n; on the grid the Yao bound is above",
    latex=r"\tfrac{7}{10} \ln(k + 1)",
    status="[second hand] for constant n or l; uniform: proof [derived], constant [computed]",
    evidence="exhaustive",
    scope={
        "small": "the bound: l <= 64, n <= 64 (powers of 2), l = 4096 at n = 2; two steps of the proof: n <= 8, t < 40; the rest on paper",
        "full": "the bound: l <= 4096, n <= 512 (powers of 2); two steps of the proof: n <= 8, t < 40; the rest on paper",
    },
    control={"constant": Fraction(9, 10)},
    breaks="the bound is below",
)
def log_k(scope: str = "small", *, constant: Fraction = Fraction(7, 10)) -> str | None:
    """Return a size at which the Yao bound is below constant * ln(k + 1), or a step of the proof fails.

    Proof of the uniform statement: F_n(t) <= (1 - (1 - 1/n)^t)^n (negative association), so at
    t = n ln(n l) / 3, where (1 - 1/n)^t >= (n l)^(-1/2), all collectors are complete with probability at most
    e^(-sqrt(n l)) <= e^(-sqrt 2); hence E[rounds] >= (1 - e^(-sqrt 2)) n ln(n l) / 3 and the bound is at least a quarter of
    ln(k + 1), minus 1/n.
    """
    for n in range(2, 9):
        for t in range(1, 40):
            if coupon.cdf(t, n) > (1 - (1 - Fraction(1, n)) ** t) ** n:
                return f"n = {n}, t = {t}: negative association fails"
        # 1 - 1/n >= e^(-x) at x = 3/(2n), which gives the exponent 1/2 at t = n ln(n l) / 3; e^x >= 1 + x + x^2/2
        x = Fraction(3, 2 * n)
        if (1 - Fraction(1, n)) * (1 + x + x * x / 2) < 1:
            return f"n = {n}: the exponent"
    tops = (7, 7) if scope == "small" else (13, 10)
    exponents = [(a, b) for a in range(tops[0]) for b in range(1, tops[1])] + [(12, 1)]
    for a, b in exponents:
        layers, experts = 2**a, 2**b
        bound = coupon.enclose_yao(layers, experts, digits=8).lower
        # k + 1 = 2^(a+b), and ln 2 = 0.69314718055... is below the fraction
        if bound < constant * (a + b) * Fraction(6931471806, 10**10):
            return f"the bound is below: l = {layers}, n = {experts}: {float(bound):.6f}"
    return None


@register(
    "claim",
    "yao-below-best",
    cites=PAPER,
    statement="The Yao bound of a uniform source is a lower bound: it is at most the certified ratio of the best randomized policy:",
    latex=r"\max_{n_1 + \dots + n_l = k + 1} Y(n_1, \dots, n_l) \le r_{\text{randomized}}",
    status="[derived]",
    evidence="certificate",
    scope={"small": "(l, n, k) = (1, 3, 2), (2, 2, 3)", "full": "the same, (2, 3, 3), (2, 2, 2), (3, 2, 5)"},
    control={"more": Fraction(1, 2)},
    breaks="the Yao bound is above",
)
def yao_below_best(scope: str = "small", *, more: Fraction = Fraction(0)) -> str | None:
    """Return a size at which the bound is above what a certified policy reaches."""
    small = ((1, 3, 2), (2, 2, 3))
    for layers, experts, slots in small if scope == "small" else (*small, (2, 3, 3), (2, 2, 2), (3, 2, 5)):
        best = certified_optimal(layers=layers, experts=experts, slots=slots, randomized=True).upper
        if coupon.best_split(layers, experts, slots)[0] + more > best:
            return f"l = {layers}, n = {experts}, k = {slots}: the Yao bound is above {best}"
    return None
