import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Lesson 1: Paging, and what a ratio says")

with app.setup:
    from fractions import Fraction

    import marimo as mo

    import layered_paging as lp
    from layered_paging.adversary import play
    from layered_paging.plot import embedded, new_figure
    from layered_paging.report import board


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lesson 1: Paging, and what a ratio says

    A cache holds $k$ pages. Pages are asked for one after another. A page that is in the cache is a **hit** and costs
    nothing; a page that is not is a **miss**, costs 1, and has to be brought in, so that another page must go.
    Which one? Whoever decides without knowing the future is **online**; **Opt** knows it.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **You will learn** (45 minutes; needs nothing):

    - what a competitive ratio promises, and what it leaves open;
    - to compute one, with a certificate;
    - to tell an unbounded ratio from a large one.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Before you read on

    Three slots, and the pages 0, 1, 2, 3 asked for in turn, three times over. LRU evicts the page unused for longest.
    Fill in the sheet: how many of the 12 requests does LRU miss? How many must *anyone* miss?
    """)
    return


@app.cell
def _():
    turns = lp.Trace([[n % 4] for n in range(12)], n_experts=4)
    mo.Html(board(turns, "lru", 3, blank=True))
    return (turns,)


@app.cell(hide_code=True)
def _(turns):
    lru_misses = lp.replay(turns, "lru", 3).misses
    opt_misses = lp.optimum(turns, 3, admission="forced").misses
    assert (lru_misses, opt_misses) == (12, 6)
    mo.accordion(
        {
            "Solution": mo.md(f"""
    LRU misses **all {lru_misses}**: it always throws out the very page that is asked for next. Opt misses **{opt_misses}**:
    it throws out the page whose next use is *furthest away*, and so pays once in three requests after the first ones.
    Crosses are misses, and the page just loaded is shaded.

    {board(turns, ["lru", "opt"], 3)}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Competitive

    $A$ is **$r$-competitive** if there is a constant $c$ such that for *every* sequence $s$

    $$A(s) \;\le\; r \cdot \mathrm{Opt}(s) + c.$$

    The constant forgives the start, the factor has to hold for ever. The least such $r$ is the competitive ratio of $A$.
    LRU has ratio $k$ (Sleator and Tarjan, 1985), and no deterministic policy has less: with $k + 1$ pages, ask always for the one that is
    absent. Here the ratio is *computed*, by comparing every state of LRU with every state of an offline cache, and the answer comes
    with a certificate that a small independent program checks.
    """)
    return


@app.cell
def _():
    lru = lp.competitive_ratio("lru", layers=1, experts=4, slots=3)
    lifo = lp.competitive_ratio("lifo", layers=1, experts=4, slots=3)
    lp.certify.check(lru.certificate)
    {"LRU, 3 slots": lru.value, "LIFO, 3 slots": "unbounded" if lifo.unbounded else lifo.value}
    return lifo, lru


@app.cell(hide_code=True)
def _(lifo, lru):
    assert lru.value == 3 and lifo.unbounded and lifo.value is None
    mo.md(r"""
    ## Exercise: why is "unbounded" worse than "k-competitive"?

    LIFO evicts the page that came *last*. Its ratio is unbounded, that of LRU is $k$, which may be large too: a cache for experts has hundreds of slots.
    If both ratios are that bad, why should one care?

    Look for a sequence on which LIFO with 3 slots misses for ever, while Opt stops missing. Then look for one that does this to LRU.
    """)
    return


@app.cell(hide_code=True)
def _():
    rounds = 60
    trap = lp.Trace([[page] for page in [0, 1, 2] + [3, 2] * (rounds // 2)], n_experts=4)
    trap_lifo = lp.replay(trap, "lifo", 3, record=True)
    trap_best = lp.replay(trap, "belady", 3, record=True).missed.ravel().cumsum()
    trap_opt = int(trap_best[-1])
    cruel = play("cruel", "lru", layers=1, experts=4, slots=3, rounds=trap.rounds)
    assert trap_lifo.misses == trap.rounds and trap_opt == 4 and lp.replay(trap, "lru", 3).misses == 4
    assert all(cost <= 3 * best + 3 for _, cost, best in cruel.over_time(trap.rounds))

    _figure = new_figure()
    _axes = _figure.subplots()
    _times = range(trap.rounds)
    _axes.plot(_times, trap_lifo.missed.ravel().cumsum() / trap_best, label="LIFO on 0, 1, 2, 3, 2, 3, 2, ...")
    _axes.plot(
        _times, [c / b for _, c, b in cruel.over_time(trap.rounds)], label="LRU, always asked for the absent page"
    )
    _axes.set(xlabel="requests", ylabel="misses / those of Opt", ylim=(0, None))
    _axes.grid(alpha=0.3)
    _axes.legend()
    mo.accordion(
        {
            "Solution": mo.md(f"""
    0, 1, 2, and then 3, 2, 3, 2, ... LIFO throws out 2 for 3 and 3 for 2 for ever, though two slots hold pages that nobody wants: {trap_lifo.misses} misses in
    {trap.rounds} requests. Opt pays {trap_opt} times **in total**, and so does LRU. No constant and no factor covers that.

    For LRU there is no such sequence. It can be made to miss always, but *only while Opt pays too*, once in $k$ requests. So $k$ is the price in a world
    that is hard for everybody; unbounded means to fail, for ever, where the problem is easy.

    {embedded(_figure, "Misses divided by those of Opt, over time: LIFO grows without end, LRU stays below 3")}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: what a miss costs

    Say that a hit is not free: it costs 1, and a miss costs $s \ge 1$, the time to fetch a page against the time to use it.
    LRU on $k + 1$ pages in turn still misses always. What is the ratio of the *times* now, and what does it say about a cache whose
    misses are cheap? (Opt misses once in $k$ requests.)
    """)
    return


@app.cell
def _():
    def ratio_of_times(slots, s, turns=2000):
        pages = slots + 1
        sequence = lp.Trace([[n % pages] for n in range(turns * pages)], n_experts=pages)
        lru, opt = (lp.replay(sequence, name, slots) for name in ("lru", "belady"))
        return Fraction(lru.misses * s + lru.hits, opt.misses * s + opt.hits)

    measured = {s: ratio_of_times(8, s) for s in (1, 2, 10, 100, 1000)}
    return (measured,)


@app.cell(hide_code=True)
def _(measured):
    _formula = {s: Fraction(8 * s, s + 7) for s in measured}
    assert all(abs(measured[s] - _formula[s]) < Fraction(1, 10) for s in measured)
    _rows = "".join(
        f"<tr><td>{s}</td><td>{float(measured[s]):.3f}</td><td>{float(_formula[s]):.3f}</td></tr>" for s in measured
    )
    mo.accordion(
        {
            "Solution": mo.md(rf"""
    In $k$ requests LRU pays $k s$ and Opt pays $s + (k - 1)$, so the ratio is $\dfrac{{k s}}{{s + k - 1}}$. It is 1 for $s = 1$ and tends to $k$ for large $s$. Replayed with 8 slots:

    <table><tr><th>s</th><th>replayed</th><th>8s / (s + 7)</th></tr>{_rows}</table>

    When misses cost little more than hits no policy can be bad, and none is worth tuning. Where a page has to come over a bus, or from
    a disk, and is used for a moment only, the misses are what one pays for, and counting them alone is fair. Measure $s$ on your machine before you believe it.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: a bigger cache instead of a better policy

    Compare LRU with $k$ slots to an Opt that has only $h \le k$. Guess first: with 3 slots against 2, is the ratio 3, 2, or less? Change the numbers below and look for the formula.
    """)
    return


@app.cell
def _():
    size = {"layers": 1, "experts": 4, "slots": 3}
    {h: lp.competitive_ratio("lru", **size, offline_slots=h).value for h in (3, 2, 1)}
    return (size,)


@app.cell(hide_code=True)
def _(size):
    _found = [lp.competitive_ratio("lru", **size, offline_slots=h).value for h in (1, 2, 3)]
    assert _found == [Fraction(3, 3 - h + 1) for h in (1, 2, 3)]
    mo.accordion(
        {
            "Solution": mo.md(r"""
    $\dfrac{k}{k - h + 1}$. With twice the slots ($h = k/2$) LRU misses less than twice as often as Opt, up to the constant: memory buys what no deterministic policy can.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Move it yourself

    The sequence of the first exercise, with as many slots as you like. From which number of slots on does LRU stop missing, and why at once?
    """)
    return


@app.cell
def _():
    slots_shown = mo.ui.slider(1, 5, value=3, label="slots", show_value=True)
    slots_shown
    return (slots_shown,)


@app.cell
def _(slots_shown, turns):
    _shown = (turns, ["lru", "opt"], slots_shown.value)
    _played, _blank = (board(*_shown, blank=blank) for blank in (False, True))
    mo.Html(f"<div class='answer'>{_played}</div><div class='paper' hidden>{_blank}</div>")
    return


@app.cell(hide_code=True)
def _():
    mo.md(
        r"""
    ## Prove it

    FIFO evicts the page that came first. Show that its ratio is at least 2 with two slots: give a sequence of at most 24 requests to the pages 0, 1 and 2 with

    - at least 20 misses of FIFO, and
    - $\mathrm{FIFO} \ge 2\,\mathrm{Opt} - 2$.

    Write it into `my_sequence`. The next cell checks it.
    """.replace("\\\\", "\\")
    )
    return


@app.cell
def _():
    my_sequence = []
    return (my_sequence,)


@app.cell
def _(my_sequence):
    def forces_two(pages):
        """Say whether a sequence is long enough, and bad enough for FIFO with two slots."""
        if not pages or len(pages) > 24 or not set(pages) <= {0, 1, 2}:
            return False
        trace = lp.Trace([[page] for page in pages], n_experts=3)
        fifo, opt = (lp.replay(trace, name, 2).misses for name in ("fifo", "belady"))
        return fifo >= 20 and fifo >= 2 * opt - 2

    "proved" if forces_two(my_sequence) else "not yet"
    return (forces_two,)


@app.cell(hide_code=True)
def _(forces_two):
    assert forces_two([0, 1, 2] * 8) and not forces_two([0, 1] * 12) and not forces_two([])
    assert lp.competitive_ratio("fifo", layers=1, experts=3, slots=2).value == 2
    mo.accordion(
        {
            "Solution": mo.md(r"""
    0, 1, 2, 0, 1, 2, ... FIFO misses always. Opt misses every second request after the first ones. The ratio is not larger either: the library says exactly 2, with a certificate.
    """)
        }
    )
    return


if __name__ == "__main__":
    app.run()
