"""``layered-paging attack``: play an adversary against a policy, beside the exact optimum."""

from __future__ import annotations

import argparse
import ast
from typing import Any

from ..adversary import Play, nemesis, play
from ..core.rules import POOLS
from ..core.words import counted
from ..errors import ParameterError
from .common import positive, progress, table


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("policy", metavar="POLICY", help="such as lru or \"llru(rounds='absolute')\"")
    parser.add_argument(
        "--with", dest="adversary", required=True, metavar="ADVERSARY", help="see: layered-paging list adversaries"
    )
    parser.add_argument("--layers", type=positive, required=True, metavar="N", help="number of layers")
    parser.add_argument("--experts", type=positive, required=True, metavar="N", help="pages of each layer")
    parser.add_argument(
        "--slots", type=positive, required=True, metavar="N", help="slots of the policy, and of the optimum"
    )
    parser.add_argument("--rounds", type=positive, default=1000, metavar="N", help="rounds to play (default: 1000)")
    parser.add_argument("--pool", choices=POOLS, help="the policy's cache (default: what the adversary is made for)")
    parser.add_argument("--seed", type=int, default=0, help="of randomized policies and adversaries (default: 0)")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the adversary"
    )
    parser.add_argument("--budget", type=positive, help="with nemesis: evaluations of the search")
    parser.add_argument("--save", metavar="FILE", help="write the sequence as a trace, or the nemesis cycle as .json")
    parser.add_argument("-o", "--output", metavar="FILE", help="plot the ratio over time to a .svg, .png or .pdf file")
    parser.epilog = (
        "examples:\n"
        "  layered-paging attack lru --with cyclic --layers 2 --experts 3 --slots 5\n"
        "  layered-paging attack lru --with partition-breaker --layers 2 --experts 3 --slots 5\n"
        "  layered-paging attack sieve --with nemesis --layers 3 --experts 4 --slots 7 --budget 3000 --save worst.json"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return cost, optimum, ratio over time and bound; fractions as strings."""
    if args.seed < 0:
        raise ParameterError(f"--seed must be at least 0; got {args.seed}")
    if args.output:
        from ..plot import check_picture

        check_picture(args.output)
    sizes = {"layers": args.layers, "experts": args.experts, "slots": args.slots}
    parameters = dict(_parameter(text) for text in args.param)
    found = None
    if args.adversary == "nemesis" and not parameters:
        budget = args.budget or 2000
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
