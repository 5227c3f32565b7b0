"""``layered-paging coupon``: how long parallel coupon collectors take, and the Yao bound."""

from __future__ import annotations

import argparse
from typing import Any

from .. import coupon
from ..core.words import counted
from ..errors import ParameterError
from . import options as opt
from .common import table
from .options import Group, Option, add
from .values import positive

MOST = 20_000_000  # beyond, the enclosure takes minutes


EXAMPLES = """examples:
  layered-paging coupon --experts 4 --collectors 3 --exact
  layered-paging coupon --experts 16 --collectors 8 --simulate 500

longer:
  layered-paging coupon --experts 256 --collectors 61 -o coupons.svg
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        opt.EXPERTS(required=True, help="coupons of each collector"),
        Option(
            "--collectors", group=Group.INPUT, type=positive, default=1, metavar="N",
            help="collectors that draw in parallel (default: 1)",
        ),
        Option(
            "--draws", group=Group.INPUT, type=positive, default=1, metavar="N",
            help="coupons drawn in a round (default: 1)",
        ),
        Option("--replacement", group=Group.INPUT, action="store_true", help="draws of a round may repeat"),
        opt.SEED(group=Group.SEARCH, help="seed of the simulation (default: 0)"),
        opt.WORKERS(help="threads of the simulation (default: 1)"),
        Option(
            "--digits", group=Group.OUTPUT, type=positive, default=20, metavar="N",
            help="decimal places of enclosures (default: 20)",
        ),
        opt.INTO(help="plot the distribution and its limit law to a .svg, .png or .pdf file"),
    )  # fmt: skip
    add(
        parser,
        Option("--exact", group=Group.SEARCH, action="store_true", help="exact fractions, however long they take"),
        Option("--simulate", group=Group.SEARCH, type=positive, metavar="N", help="also simulate N samples"),
        one=True,
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return expectation, variance, limits and bounds; fractions as strings."""
    n, size = args.experts, args.collectors
    if n * size > MOST:
        raise ParameterError(f"--experts times --collectors must be at most {MOST:,}; got {n * size:,}")
    if args.output:
        from ..plot import check_picture

        check_picture(args.output)
    options = {"draws": args.draws, "replacement": args.replacement}
    answer: dict[str, Any] = {"experts": n, "collectors": size, **options}
    if args.exact:
        answer["expected_rounds"] = str(coupon.expected_rounds(n, size, **options))
        answer["variance"] = str(coupon.variance(n, size, **options))
    found = coupon.enclose_rounds(n, size, digits=args.digits, **options)
    answer["expected_rounds_digits"] = found.digits()
    answer["expected_rounds_float"] = float(found)
    if args.draws == 1:
        answer["gumbel"] = coupon.gumbel_mean(n, size)
        answer["poissonised"] = coupon.poissonised(n, size)
        if n >= 2:
            if args.exact:
                answer["yao_bound"] = str(coupon.yao_bound(size, n))
            compared = coupon.compare(size, n, digits=args.digits)
            answer["yao_bound_digits"] = compared.yao.digits()
            answer["harmonic_experts"] = compared.harmonic_experts
            answer["log_layers_over_6_experts"] = compared.reported
            answer["harmonic_slots"] = compared.harmonic_slots
    if args.simulate:
        if args.seed < 0:
            raise ParameterError(f"--seed must be at least 0; got {args.seed}")
        sample = coupon.simulate(
            n, size, samples=max(2, args.simulate), seed=args.seed, workers=args.workers, **options
        )
        low, high = sample.interval()
        answer["simulated"] = {
            "samples": len(sample.rounds),
            "seed": args.seed,
            "mean": sample.mean,
            "interval95": [low, high],
        }
    if args.output:
        plot(args, answer)
        answer["plot"] = args.output
    return answer


def plot(args: argparse.Namespace, answer: dict[str, Any]) -> None:
    """Draw the distribution function of the rounds beside its limit law."""
    import numpy as np

    from ..plot import new_figure, save_figure

    n, size = args.experts, args.collectors
    samples = coupon.simulate(
        n, size, samples=2000, seed=args.seed, draws=args.draws, replacement=args.replacement, workers=args.workers
    )
    figure = new_figure(6, 3.6)
    axes = figure.subplots()
    ordered = np.sort(samples.rounds)
    axes.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered), where="post", label="2000 samples")
    if args.draws == 1:
        times = np.linspace(ordered[0], ordered[-1], 300)
        axes.plot(times, [coupon.gumbel_cdf(t, n, size) for t in times], "--", label="limit law (Gumbel)")
    axes.axvline(answer["expected_rounds_float"], color="0.5", linewidth=1, label="expectation")
    title = f"{counted(size, 'collector')} of {counted(n, 'coupon')}"
    axes.set(xlabel="rounds", ylabel="probability to be complete", title=title)
    axes.legend()
    save_figure(figure, args.output)


NAMES = {
    "expected_rounds": "expected rounds",
    "variance": "variance",
    "expected_rounds_digits": "expected rounds (certain digits)",
    "gumbel": "limit law: n ln(n l) + gamma n + 1/2",
    "poissonised": "Poissonised: n H_(n l)",
    "yao_bound": "Yao bound of the ratio, slots = n l - 1",
    "yao_bound_digits": "Yao bound (certain digits)",
    "harmonic_experts": "H_n",
    "log_layers_over_6_experts": "log(l) / (6 n)",
    "harmonic_slots": "H_k, k = n l - 1",
}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print a table."""
    rows = [(text, str(answer[key])) for key, text in NAMES.items() if key in answer]
    if "simulated" in answer:
        found = answer["simulated"]
        low, high = found["interval95"]
        rows.append(
            (f"simulated mean, {found['samples']} samples", f"{found['mean']:.4f} in [{low:.4f}, {high:.4f}] (95 %)")
        )
    title = f"{counted(answer['collectors'], 'collector')}, {counted(answer['experts'], 'coupon')} each"
    table(title, ("", "value"), rows)
    if "plot" in answer:
        print(f"plot: {answer['plot']}")
