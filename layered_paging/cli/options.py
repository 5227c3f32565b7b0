"""Every option that more than one command takes, defined once; a command names the options it takes.

``add(parser, SLOTS, POLICY(nargs="+"))`` gives a command two options.  What a command says differently (how many
values, another default, another help) stands in the call; the name, the type and the group stand here.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from ..core.rules import EVENTS, POOLS, PREFILLS, RESETS, TIES
from ..core.tables import FORMATS
from .values import byte_size, columns, positive, seconds

__all__ = ["Group", "Option", "add", "log_options"]


class Group(StrEnum):
    """The headings of a help text, in their order."""

    INPUT = "input"
    RULES = "rules"
    QUOTAS = "slots, or bytes, of each layer (each layer is then a pool)"
    TRAFFIC = "traffic: loads that are used and dropped, and evict nothing (with any policy)"
    TIERS = "several caches: tiers behind each other, or devices beside each other"
    NETWORK = "the network, with --generate"
    GUESSES = "guesses"
    CLOCK = "clock"
    SEARCH = "how it is computed"
    BATCH = "several requests at once (a session is a request, a round becomes a step)"
    LOG = "how a log is read ('-' is standard input; a folder is one trace of its files)"
    OUTPUT = "output"


class Option:
    """An option or a positional argument of the command line.

    Parameters
    ----------
    *flags : str
        Its name, or its short and its long name.
    group : Group
        The heading of the help text under which it stands.
    sets : sequence of str
        Parameters of Python that it sets besides the one of its own name; errors about them name the option.
    needs : str
        The option without which it means nothing, and is refused.
    **given
        What argparse is told of it.
    """

    def __init__(self, *flags: str, group: Group, sets: Sequence[str] = (), needs: str = "", **given: Any) -> None:
        self.flags, self.group, self.sets, self.needs, self.given = flags, group, tuple(sets), needs, given

    def __call__(
        self, *, group: Group | None = None, sets: Sequence[str] | None = None, needs: str | None = None, **changed: Any
    ) -> Option:
        """Return the option as one command takes it: ``changed`` replaces what argparse is told (None: nothing)."""
        given = {key: value for key, value in {**self.given, **changed}.items() if value is not None}
        need = self.needs if needs is None else needs
        parameters = self.sets if sets is None else sets
        return Option(*self.flags, group=group or self.group, sets=parameters, needs=need, **given)


def add(parser: argparse.ArgumentParser, *options: Option, one: bool = False, required: bool = False) -> None:
    """Give a command options, each under its heading.

    Parameters
    ----------
    parser : ArgumentParser
    *options : Option
    one : bool
        They exclude each other, and stand under the heading of the first.
    required : bool
        With ``one``: one of them must be given.
    """
    within = _headed(parser, options[0].group).add_mutually_exclusive_group(required=required) if one else None
    for option in options:
        target = within or _headed(parser, option.group)
        action = target.add_argument(*option.flags, **option.given)
        action.sets, action.needs = option.sets, option.needs  # type: ignore[attr-defined]


def _headed(parser: argparse.ArgumentParser, group: Group) -> argparse._ArgumentGroup:
    """Return the group of a parser that has a heading; the groups stay in the order of ``Group``."""
    for known in parser._action_groups:
        if known.title == group:
            return known
    made = parser.add_argument_group(str(group))
    order = list(Group)
    parser._action_groups.sort(key=lambda one: order.index(Group(one.title)) if one.title in order else -1)
    return made


# input
TRACE = Option("trace", group=Group.INPUT, help="a trace file, of any format that 'convert' reads")
TRACES = Option("--trace", group=Group.INPUT, metavar="FILE", help="a trace file")
SLOTS = Option("--slots", group=Group.INPUT, type=positive, metavar="N", help="total slots")
BYTES = Option("--bytes", group=Group.INPUT, sets=["budget_bytes"], type=byte_size, metavar="SIZE", help="a budget such as 2GiB; needs a trace with sizes")  # fmt: skip
POLICY = Option("--policy", group=Group.INPUT, sets=["policies"], metavar="POLICY", help="policies")
AGAINST = Option("--against", group=Group.INPUT, metavar="POLICY", help="policies to compare it with")
ENGINE = Option("--engine", group=Group.INPUT, metavar="NAME", help="recommend only what this engine ships, such as llama.cpp")  # fmt: skip
LAYERS = Option("--layers", group=Group.INPUT, type=positive, metavar="N", help="number of layers")
EXPERTS = Option("--experts", group=Group.INPUT, type=positive, metavar="N", help="experts of each layer")
TOP_K = Option("--top-k", group=Group.INPUT, type=positive, metavar="N", help="experts of each event")
PAGES = Option("--pages", group=Group.INPUT, type=positive, metavar="N", help="sizes of at most N pages, layers times experts")  # fmt: skip
WHERE = Option("--where", group=Group.INPUT, nargs="+", default=[], metavar="KEY=VALUE", help="only these sessions, by their items")  # fmt: skip
FIRST = Option("--first", group=Group.INPUT, type=positive, metavar="N", help="only the first N rounds")
FROM = Option("--from", group=Group.INPUT, sets=["start"], dest="start", type=int, default=0, metavar="R", help="first round (default: 0)")  # fmt: skip
ROUNDS = Option("--rounds", group=Group.INPUT, type=positive, metavar="N", help="number of rounds")
TOKENS = Option("--tokens", group=Group.INPUT, type=positive, metavar="N", help="number of tokens")
PROFILE = Option("--profile", group=Group.INPUT, metavar="FILE", help="a profile ('profile make' writes one)")
COUNTS = Option("--counts", group=Group.INPUT, action="store_true", help="counts: an .npy of layers x experts")
HALF_LIFE = Option("--half-life", group=Group.INPUT, sets=["lfu-decay: half_life", "popularity: half_life"], type=float, metavar="N", help="uses fade by half in N tokens")  # fmt: skip
TOP = Option("--top", group=Group.INPUT, type=positive, default=8, metavar="N", help="size of the hot sets (default: 8)")  # fmt: skip
SCOPE = Option("--scope", group=Group.INPUT, default="small", help="small takes seconds (default: small)")

# how a log is read; the names begin with log_, whatever else a command has of the same name
_LOG = (
    Option("--also", group=Group.LOG, dest="log_also", nargs="+", default=[], metavar="FILE", help="further files of the same trace, one session each"),
    Option("--layout", group=Group.LOG, dest="log_layout", choices=("tlk", "ltk", "btlk"), help="axes of an array: tokens, layers, top_k; layers first; batch first"),
    Option("--columns", group=Group.LOG, dest="log_columns", type=columns, metavar="ROLE=NAME,...", help="columns of a table: token, layer, experts, rank, weight, phase, request"),
    Option("--guess-tokens", group=Group.LOG, dest="log_tokens", action="store_const", const="guess", help="guess where tokens begin in a log that does not say"),
    TOP_K(group=Group.LOG, dest="log_top_k", help="experts of a token, where a log does not say"),
    Option("--n-experts", group=Group.LOG, dest="log_n_experts", type=positive, metavar="N", help="experts of a layer, where a log does not say"),
)  # fmt: skip
EXPERT_BYTES = Option("--expert-bytes", group=Group.LOG, sets=["page_bytes"], dest="log_expert_bytes", type=byte_size, metavar="SIZE", help="bytes of each expert, where a log does not say")  # fmt: skip


def log_options(*without: str) -> list[Option]:
    """Return the options that say how the log of another program is read, without some of them."""
    return [option for option in (*_LOG, EXPERT_BYTES) if option.flags[0] not in without]


BATCH = Option("--batch", group=Group.BATCH, dest="batch_size", type=positive, metavar="N", help="requests that run at once")  # fmt: skip
CHUNK = Option("--chunk", group=Group.BATCH, needs="--batch", dest="batch_chunk", type=positive, metavar="N", help="with --batch: prompt tokens of a request per step (default: the whole prompt)")  # fmt: skip

# rules
POOL = Option("--pool", group=Group.RULES, choices=POOLS, default=POOLS[0], help=f"one pool of slots, or a quota for each layer (default: {POOLS[0]})")  # fmt: skip
RESET = Option("--reset", group=Group.RULES, sets=["resets"], choices=RESETS, default=RESETS[0], help=f"what is emptied at each session: nothing, cache and policy, or the cache (default: {RESETS[0]})")  # fmt: skip
EACH_EVENT = Option("--events", group=Group.RULES, choices=EVENTS, default=EVENTS[0], help=f"members of an event together, or one at a time: a different problem (default: {EVENTS[0]})")  # fmt: skip
ADMISSION = Option("--admission", group=Group.RULES, choices=("forced", "bypass"), default="forced", help="whether all members must stay until their event ends (default: forced)")  # fmt: skip
PREFILL = Option("--prefill", group=Group.RULES, choices=PREFILLS, default=PREFILLS[0], help=f"token by token, or one event per layer for a whole prompt (default: {PREFILLS[0]})")  # fmt: skip
TIE = Option("--ties", group=Group.RULES, choices=TIES, default=TIES[0], help=f"order of members within an event: by page number or by router rank (default: {TIES[0]})")  # fmt: skip
OVERSIZE = Option("--oversize", group=Group.RULES, choices=("error", "allow"), default="error", help="what to do about an event larger than its pool (default: error)")  # fmt: skip
SEED = Option("--seed", group=Group.RULES, type=int, default=0, metavar="N", help="seed of randomized policies (default: 0)")  # fmt: skip
QUOTAS = Option("--quotas", group=Group.QUOTAS, help="slots of each layer")

# clock
COMPUTE = Option("--compute", group=Group.CLOCK, sets=["clock"], type=seconds, metavar="TIME", help="per token without loads, such as 20ms")  # fmt: skip
LAYER_COMPUTE = Option("--layer-compute", group=Group.CLOCK, sets=["compute"], type=seconds, metavar="TIME", help="computing of a layer, such as 200us")  # fmt: skip
BANDWIDTH = Option("--bandwidth", group=Group.CLOCK, type=byte_size, metavar="SIZE", help="bytes per second of loads, such as 2GB")  # fmt: skip
LATENCY = Option("--latency", group=Group.CLOCK, type=seconds, metavar="TIME", help="per load beside its bytes, such as 100us")  # fmt: skip

# search
TIME_LIMIT = Option("--time-limit", group=Group.SEARCH, type=seconds, metavar="TIME", help="end the search after this time, such as 20s")  # fmt: skip
WORKERS = Option("--workers", group=Group.SEARCH, type=positive, default=1, metavar="N", help="processes (default: 1)")
RESUME = Option("--resume", group=Group.SEARCH, help="go on from what an earlier run has left")

# output
BY = Option("--by", group=Group.OUTPUT, help="also one line for each of these")
WINDOW = Option("--window", group=Group.OUTPUT, type=positive, metavar="N", help="rounds of a window")
TITLE = Option("--title", group=Group.OUTPUT, default="", metavar="TEXT", help="shown above (default: the file's name)")
OPTIMUM = Option("--optimum", group=Group.OUTPUT, help="also the offline optimum, of this admission")
SAVE = Option("--save", group=Group.OUTPUT, metavar="FILE", help="write what was played")
INTO = Option("-o", "--output", group=Group.OUTPUT, metavar="FILE", help="plot to a .svg, .png or .pdf file")
FORCE = Option("--force", group=Group.OUTPUT, action="store_true", help="replace the file if it is there")

# every command takes these
MANNERS = (
    Option(
        "--json", group=Group.OUTPUT, action="store_true", default=False, help="print one JSON object and nothing else"
    ),
    Option(
        "--format",
        group=Group.OUTPUT,
        choices=("table", *FORMATS, "json"),
        default="table",
        help="how tables are printed; tex needs the LaTeX package booktabs (default: table)",
    ),
    Option(
        "-v",
        "--verbose",
        group=Group.OUTPUT,
        action="store_true",
        default=False,
        help="say on standard error what is chosen and why",
    ),
    Option(
        "-q",
        "--quiet",
        group=Group.OUTPUT,
        action="store_true",
        default=False,
        help="say nothing on standard error but errors",
    ),
    Option(
        "-h", "--help", group=Group.OUTPUT, action="help", default=argparse.SUPPRESS, help="show this help and exit"
    ),
)
