"""``layered-paging attack``: play an adversary against a policy, beside the exact optimum."""

from __future__ import annotations

import argparse
import ast
import json
from pathlib import Path
from typing import Any

from ..adversary import Play, nemesis, play
from ..core.files import read_whole
from ..core.words import counted
from ..errors import LayeredPagingError, ParameterError
from . import options as opt
from .common import progress, table
from .options import Group, Option, add
from .values import positive

EXAMPLES = """examples:
  layered-paging attack lru --with cyclic --layers 2 --experts 3 --slots 5
  layered-paging attack sieve --with nemesis --layers 2 --experts 3 \\
      --slots 4 --evaluations 300 --save worst.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(
        parser,
        Option("policy", group=Group.INPUT, metavar="POLICY", help="such as lru or \"llru(rounds='absolute')\""),
        Option(
            "--with", group=Group.INPUT, dest="adversary", required=True, metavar="ADVERSARY",
            help="see: layered-paging list adversaries",
        ),
        opt.LAYERS(required=True),
        opt.EXPERTS(required=True, help="pages of each layer"),
        opt.SLOTS(required=True, help="slots of the policy, and of the optimum"),
        opt.ROUNDS(default=1000, help="rounds to play (default: 1000)"),
        opt.POOL(default=None, help="the policy's cache (default: what the adversary is made for)"),
        opt.SEED(help="of randomized policies and adversaries (default: 0)"),
        Option(
            "--param", group=Group.SEARCH, action="append", default=[], metavar="NAME=VALUE",
            help="a parameter of the adversary",
        ),
        Option(
            "--evaluations", group=Group.SEARCH, sets=["budget"], type=positive, metavar="N",
            help="with nemesis: evaluations of the search",
        ),
        opt.SAVE(help="write the sequence as a trace, or the nemesis cycle as .json"),
        opt.INTO(help="plot the ratio over time to a .svg, .png or .pdf file"),
    )  # fmt: skip
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return cost, optimum, ratio over time and bound; fractions as strings."""
    if args.seed < 0:
        raise ParameterError(f"--seed must be at least 0; got {args.seed}")
    if args.output:
        from ..plot import check_picture

        check_picture(args.output)
    if args.save and Path(args.save).exists() and not _of_an_attack(args.save):
        raise ParameterError(
            f"{args.save}: is there already and comes from no attack; it is left as it is (give another name)"
        )
    sizes = {"layers": args.layers, "experts": args.experts, "slots": args.slots}
    parameters = dict(_parameter(text) for text in args.param)
    found = None
    if args.adversary == "nemesis" and not parameters:
        budget = args.evaluations or 2000
        with progress("search", budget, args.json) as tick:
            found = nemesis(args.policy, **sizes, budget=budget, seed=args.seed, progress=tick)
        game = play(
            "witness", args.policy, **sizes, rounds=args.rounds, pool=args.pool, seed=args.seed, cycle=found.pages
        )
    else:
        game = play(
            args.adversary, args.policy, **sizes, rounds=args.rounds, pool=args.pool, seed=args.seed, **parameters
        )
    late = game.late_ratio()
    answer: dict[str, Any] = {
        "adversary": args.adversary,
        "policy": game.policy,
        "pool": game.pool,
        **sizes,
        "rounds": args.rounds,
        "seed": args.seed,
        "cost": game.cost,
        "optimum": game.optimum,
        "ratio": str(game.ratio),
        "late_ratio": None if late is None else str(late),
        "bound": "unbounded" if game.unbounded else None if game.bound is None else str(game.bound),
        "over_time": [{"rounds": r, "cost": c, "optimum": o} for r, c, o in game.over_time()],
    }
    if found is not None:
        answer["cycle"] = found.cycle
        answer["cycle_ratio"] = None if found.ratio is None else str(found.ratio)
        answer["evaluations"] = found.evaluations
    if args.save:
        if found is not None and args.save.endswith(".json"):
            found.save(args.save)
        else:
            from ..formats import save_trace

            save_trace(game.trace(), args.save)
        answer["saved"] = args.save
    if args.output:
        plot(game, args.output)
        answer["plot"] = args.output
    return answer


def _of_an_attack(path: str) -> bool:
    """Return whether a file is one that an attack saved: only such a file is replaced."""
    from ..formats import load_trace

    try:
        if path.endswith(".json"):
            fields = json.loads(read_whole(path, 1 << 26, "cycle"))
            return isinstance(fields, dict) and {"cycle", "evaluations"} <= set(fields)
        return "adversary" in load_trace(path).meta
    except (LayeredPagingError, ValueError, RecursionError):
        return False


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        if not equals:
            raise ValueError
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise ParameterError(f"--param is written NAME=VALUE with a plain value; got {text!r}") from None


def plot(game: Play, path: str) -> None:
    """Draw cost / optimum over the rounds, and the bound."""
    from ..plot import new_figure, save_figure

    figure = new_figure(6, 3.6)
    axes = figure.subplots()
    points = game.over_time(200)
    axes.plot([r for r, _, _ in points], [c / o for _, c, o in points], label=f"{game.policy} / optimum")
    if game.bound is not None:
        axes.axhline(float(game.bound), color="0.5", linestyle="--", label=f"bound {game.bound}")
    shape = f"{counted(game.layers, 'layer')} x {counted(game.experts, 'expert')}, {counted(game.slots, 'slot')}"
    axes.set(xlabel="rounds", ylabel="ratio so far", title=f"{game.adversary} against {game.policy}: {shape}")
    axes.legend()
    save_figure(figure, path)


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the game."""
    shape = f"{answer['layers']} x {answer['experts']}, {counted(answer['slots'], 'slot')}, {answer['pool']}"
    rows = [
        (row["rounds"], row["cost"], row["optimum"], f"{row['cost'] / row['optimum']:.4f}")
        for row in answer["over_time"]
    ]
    table(f"{answer['adversary']} against {answer['policy']} ({shape})", ("rounds", "misses", "optimum", "ratio"), rows)
    late = answer["late_ratio"]
    print(
        f"second half: {'the optimum does not miss' if late is None else late}; "
        f"forced: {answer['bound'] or 'not stated against ' + answer['policy']}"
    )
    if "cycle" in answer:
        print(
            f"cycle of {counted(len(answer['cycle']), 'round')}, ratio {answer['cycle_ratio'] or 'unbounded'}: {answer['cycle']}"
        )
    for key in ("saved", "plot"):
        if key in answer:
            print(f"{key}: {answer[key]}")
