import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Lesson 3: LRU, LLRU and OPT by hand")

with app.setup:
    import html
    import itertools

    import marimo as mo

    import layered_paging as lp
    from layered_paging.engine.run import history
    from layered_paging.report import board, replay_page
    from layered_paging.report.replaying import parse_sequence


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lesson 3: LRU, LLRU and OPT by hand

    Three rules for the same decision, *which page goes?*

    | | evicts | knows |
    |---|---|---|
    | **LRU** | the page whose last request is longest ago | the past |
    | **LLRU** | the page unused for the most visits of its own layer ($R$); among these, the one whose layer comes up again last ($D$) | the past, and that layers take turns |
    | **Opt** (Belady) | the page whose next request is furthest away | the future |

    For a page $p$ of layer $j$ when layer $i$ asks, with $l$ layers: $R$ counts the visits to layer $j$ since $p$ was last asked for, the present one included if $j = i$; $D$ is the number of steps
    until layer $j$ comes up again, $1$ to $l$. (This is the reading of LLRU that is the library's default.)

    ## By hand

    Two layers, three experts each, three slots; eight rounds. Fill in all three sheets. For every eviction of LLRU write down $R$ and $D$ of the pages in the cache.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **You will learn** (50 minutes; needs lessons 1 and 2):

    - to play LRU, LLRU and the optimum by hand, with reasons;
    - that neither of LRU and LLRU is better on every sequence;
    - why furthest next use is optimal: an exchange.
    """)
    return


@app.cell
def _():
    sequence = parse_sequence("0,0 1,0 0,1 2,0 0,0 1,1 0,0 2,0", 3)
    mo.Html(board(sequence, ["lru", "llru", "opt"], 3, blank=True))
    return (sequence,)


@app.cell(hide_code=True)
def _(sequence):
    misses = {name: lp.replay(sequence, name, 3).misses for name in ("lru", "llru", "belady")}
    assert misses == {"lru": 12, "llru": 10, "belady": 8}
    assert misses["belady"] == lp.optimum(sequence, 3, admission="forced").misses
    mo.accordion(
        {
            "Solution": mo.md(f"""
    LRU misses {misses["lru"]}, LLRU {misses["llru"]}, Opt {misses["belady"]} of 16.

    {board(sequence, ["lru", "llru", "opt"], 3)}
    """)
        }
    )
    return (misses,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Step by step, with reasons

    The same sequence on the replay page of the library: go on with the arrow keys or the buttons. Under every policy it says *why* a page was evicted. (From a terminal: `layered-paging show`.)
    """)
    return


@app.cell(hide_code=True)
def _(sequence):
    _page = html.escape(replay_page(sequence, ["lru", "llru", "opt"], 3, title="LRU, LLRU and Opt"))
    mo.Html(f'<iframe title="Replay, step by step" style="width:100%;height:780px" srcdoc="{_page}"></iframe>')
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: where do they part?

    Find the first request at which LRU and LLRU throw out different pages. Explain both choices in a sentence each.
    """)
    return


@app.cell
def _():
    def parting(trace, slots):
        """Return (step, victim of LRU, victim of LLRU) where they first differ, or None."""
        both = zip(history(trace, "lru", slots), history(trace, "llru", slots), strict=True)
        return next(((n, a.evicted, b.evicted) for n, (a, b) in enumerate(both) if a.evicted != b.evicted), None)

    return (parting,)


@app.cell(hide_code=True)
def _(parting, sequence):
    _step, _lru, _llru = parting(sequence, 3)
    _pages = [first + expert for row in sequence.experts[:, :, 0] for first, expert in zip((0, 3), row, strict=True)]
    _age = {page: _step - max(t for t in range(_step) if _pages[t] == page) for page in (_lru[0], _llru[0])}
    _r, _d = {p: a // 2 for p, a in _age.items()}, {p: 2 - a % 2 for p, a in _age.items()}
    assert _age[_lru[0]] > _age[_llru[0]], "LRU's victim is the older one"
    assert (_r[_llru[0]], _d[_llru[0]]) > (_r[_lru[0]], _d[_lru[0]]), "LLRU's has the larger (R, D)"
    _name = ("a0", "a1", "a2", "b0", "b1", "b2")
    mo.accordion(
        {
            "Solution": mo.md(f"""
    At request number {_step + 1} (round {_step // 2 + 1}, layer {"ab"[_step % 2]}) LRU evicts {_name[_lru[0]]} and LLRU {_name[_llru[0]]}.
    LRU looks only at how many steps ago a page was used: {_age[_lru[0]]} for {_name[_lru[0]]}, {_age[_llru[0]]} for {_name[_llru[0]]}. For LLRU R is {_r[_lru[0]]} and {_r[_llru[0]]}, D is {_d[_lru[0]]} and {_d[_llru[0]]}. It counts in *visits of the page's layer*, so pages of
    two layers that were passed over equally often are equal for it, and then it gives up the one that cannot be needed for the longest time.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: is LLRU always the better one?

    Look for a sequence of 2 layers of 2 experts with 3 slots on which LLRU misses *more* than LRU, and for one on which it misses less. Five rounds are enough to try all
    $4^5$ sequences by machine. Guess first: which of the two kinds is more frequent?
    """)
    return


@app.cell
def _():
    better, worse = [], []
    for rounds in itertools.product(itertools.product(range(2), repeat=2), repeat=5):
        trial = lp.Trace(rounds, n_experts=2)
        difference = lp.replay(trial, "llru", 3).misses - lp.replay(trial, "lru", 3).misses
        if difference:
            (better if difference < 0 else worse).append(trial)
    {"sequences": 4**5, "LLRU better": len(better), "LLRU worse": len(worse)}
    return better, worse


@app.cell(hide_code=True)
def _(better, worse):
    assert better and worse
    _shown = board(worse[0], ["lru", "llru"], 3) if worse else ""
    mo.accordion(
        {
            "Solution": mo.md(f"""
    LLRU is better on {len(better)} of the 1024 sequences and worse on {len(worse)}. {"One of the latter:" if worse else ""}

    {_shown}

    Neither is better on every sequence. In the worst case they can be compared exactly, by their competitive ratios: see the next cell, and the
    [findings](../../findings/llru.html), where LLRU turns out *not* to be k-competitive at some sizes.
    """)
        }
    )
    return


@app.cell
def _():
    {name: lp.competitive_ratio(name, layers=2, experts=2, slots=3).value for name in ("lru", "llru", "mark-far")}
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: why is furthest-next-use optimal?

    Suppose an optimal schedule evicts $q$ where Belady would evict $p$, whose next use is later. Change the schedule so that it evicts $p$ and never pays more. What happens at the next request of $q$, and at that of $p$?
    """)
    return


@app.cell(hide_code=True)
def _():
    _found = 0
    for _seed in range(40):
        _trial = lp.workloads.uniform(2, 3, 8, seed=_seed)
        assert lp.replay(_trial, "belady", 3).misses == lp.optimum(_trial, 3, admission="forced").misses
        _found += 1
    mo.accordion(
        {
            "Solution": mo.md(rf"""
    Keep $q$ in the place of $p$ from now on. Until $q$ is asked for, nobody asks for $p$, whose next use is later, so nothing is lost; if the old schedule throws $p$ out meanwhile, the new one throws out $q$ and both are
    equal again. When $q$ is asked for, the old schedule misses and the new one hits: one saved. Let it then load what makes both equal, which costs at most that one. So the exchange never costs anything, and repeating it turns any optimal schedule into Belady's.

    This cell has also compared Belady with the optimum that comes with a certificate, on {_found} random sequences: always equal.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Move it yourself

    The sequence from above under another policy. Mark-far marks what is asked for. It evicts the unmarked page whose layer comes up again last, of these the oldest. When all pages are marked and one must go, all marks go first.
    """)
    return


@app.cell
def _():
    policy_shown = mo.ui.dropdown(["lru", "llru", "fifo", "mark-far", "sieve"], value="mark-far", label="policy")
    policy_shown
    return (policy_shown,)


@app.cell
def _(policy_shown, sequence):
    _played, _blank = (board(sequence, [policy_shown.value], 3, blank=blank) for blank in (False, True))
    mo.Html(f"<div class='answer'>{_played}</div><div class='paper' hidden>{_blank}</div>")
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Prove it

    LLRU is not always better. Give five rounds of two layers of two experts, as pairs, on which LLRU with three slots misses more often than LRU.
    """)
    return


@app.cell
def _():
    my_pairs = []
    return (my_pairs,)


@app.cell
def _(my_pairs):
    def llru_loses(pairs):
        """Say whether LLRU misses more often than LRU."""
        if len(pairs) != 5 or any(len(row) != 2 or not set(row) <= {0, 1} for row in pairs):
            return False
        trace = lp.Trace(pairs, n_experts=2)
        return lp.replay(trace, "llru", 3).misses > lp.replay(trace, "lru", 3).misses

    "proved" if llru_loses(my_pairs) else "not yet"
    return (llru_loses,)


@app.cell(hide_code=True)
def _(better, llru_loses, worse):
    _one = [tuple(row) for row in worse[0].experts[:, :, 0].tolist()]
    assert (
        llru_loses(_one)
        and not llru_loses([])
        and not any(llru_loses([tuple(row) for row in trial.experts[:, :, 0].tolist()]) for trial in better)
    )
    mo.accordion({"Solution": mo.md(f"For one: {_one}. The search above has found all of them.")})
    return


if __name__ == "__main__":
    app.run()
