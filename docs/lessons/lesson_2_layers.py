import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Lesson 2: Paging in layers")

with app.setup:
    import itertools

    import marimo as mo

    import layered_paging as lp
    from layered_paging.adversary import play
    from layered_paging.plot import embedded, new_figure
    from layered_paging.report import board
    from layered_paging.report.replaying import parse_sequence


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lesson 2: Paging in layers

    A mixture-of-experts model has $l$ layers with $n$ experts each. Every token passes layer a, then b, then c, ...; in each layer it asks
    for some experts, and then the next token starts again at a. One turn is a **round**. So requests are not arbitrary: after a page of layer a comes a page of layer b.

    One cache of $k$ slots may be **shared** by all layers, or **split**: a fixed part for each.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **You will learn** (50 minutes; needs lesson 1):

    - why a split cache loses without bound, and a shared one does not;
    - that the layers' difference in skew makes the gap, not the skew;
    - what the order of the layers forbids an adversary.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Before you read on

    Two layers, 4 slots. Layer a asks for a0, a1, a2 in turn, layer b always for b0. One cache is split, two slots a layer; one is shared. How often does each
    miss, in the first 4 rounds and in the long run?
    """)
    return


@app.cell
def _():
    rotating = parse_sequence("0,0 1,0 2,0 0,0 1,0 2,0", 3)
    mo.Html(board(rotating, "lru", 4, blank=True))
    return (rotating,)


@app.cell(hide_code=True)
def _(rotating):
    _long = parse_sequence("0,0 1,0 2,0 " * 100, 3)
    split_misses = lp.replay(_long, "lru", 4, pool="per-layer").misses
    shared_misses = lp.replay(_long, "lru", 4).misses
    assert (split_misses, shared_misses) == (301, 4)
    mo.accordion(
        {
            "Solution": mo.md(f"""
    Shared, the four pages simply fit: 4 misses, ever. Split, layer a has two slots for three pages in turn and LRU misses every one of them, while one slot of layer b stays empty:
    {split_misses} misses in 300 rounds, against {shared_misses}.

    {board(rotating, "lru", 4)}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## A split cache is not competitive where k > l

    The example was no accident. Whatever policy runs inside the parts, ask in one layer for one page more than its part holds, and in all others for a single page.
    (At $k = l$ each part has one slot, and the split cache is as good as LRU: its ratio is $2 - 1/l$.)
    All these pages together fit into $k$ slots, so Opt stops paying; the split cache pays at least once in every $\lfloor k/l \rfloor + 1$ rounds, for ever.
    The library plays this adversary against any policy:
    """)
    return


@app.cell
def _():
    game = play("partition-breaker", "lru", layers=2, experts=3, slots=4, rounds=300)
    game.over_time(3)  # (rounds, misses of the policy, misses of Opt)
    return (game,)


@app.cell(hide_code=True)
def _(game):
    assert game.unbounded and game.optimum < 10 and game.cost >= 300
    mo.md(r"""
    ## Exercise: who pays for the split?

    Opt *per layer* also has a split cache, but knows the future. Is it competitive against Opt with a shared cache?
    """)
    return


@app.cell(hide_code=True)
def _(game):
    _per_layer = lp.optimum(game.trace(), 4, admission="forced", pool="per-layer").misses
    assert _per_layer > 10 * game.optimum
    mo.accordion(
        {
            "Solution": mo.md(f"""
    No. On the sequence above it misses {_per_layer} times and Opt {game.optimum} times: no foresight helps where the third page has no slot. The loss comes from the *split*, and a better policy
    cannot repair it. That is why "unbounded" is worse than "k-competitive": with a ratio of k you may hope for a better policy or an easier input;
    here the input is as easy as can be (after a few rounds four pages, for four slots), and one pays for ever.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: how skew moves the gap between Opt and Opt per layer

    Real layers differ. In some, a few experts get nearly all tokens (skewed); in others all are used alike. Let expert number $i$ of a layer have weight $i^{-s}$: $s = 0$ is even, $s = 3$ very skewed.
    Four layers of 16 experts, 32 slots. Guess both curves before you open the solution:

    1. All layers have the same $s$, and $s$ grows. What happens to (misses of Opt per layer) / (misses of Opt)?
    2. The mean stays at $s = 1.5$ and the layers spread: $1.5 \pm d$ and $1.5 \pm d/3$. What happens as $d$ grows?
    """)
    return


@app.cell
def _():
    def gap(exponents):
        trace = lp.workloads.zipf(4, 16, 1500, exponent=exponents, seed=1)
        shared, split = (lp.optimum_curve(trace, admission="forced", pool=pool)[32] for pool in ("shared", "per-layer"))
        return split / shared

    steps = [0, 0.5, 1, 1.5]
    alike = [gap([2 * d] * 4) for d in steps]  # s = 0 .. 3
    spread = [gap([1.5 - d, 1.5 - d / 3, 1.5 + d / 3, 1.5 + d]) for d in steps]
    return alike, gap, spread, steps


@app.cell(hide_code=True)
def _(alike, spread, steps):
    assert all(x >= 1 for x in alike + spread), "Opt is never worse than Opt per layer"
    assert max(alike) < 1.3 and all(a < b for a, b in itertools.pairwise(spread)) and spread[-1] > 1.5 * max(alike)
    _figure = new_figure(height=3.4)
    _left, _right = _figure.subplots(1, 2, sharey=True)
    _left.plot([2 * d for d in steps], alike, "o-", color="#0072B2")
    _left.set(xlabel="s, the same in all layers", ylabel="Opt per layer / Opt", ylim=(0.9, 1.05 * max(spread)))
    _right.plot(steps, spread, "o-", color="#D55E00")
    _right.set(xlabel="d, how much the layers differ")
    for _axes in (_left, _right):
        _axes.grid(alpha=0.3)
    mo.accordion(
        {
            "Solution": mo.md(f"""
    1. Little: at most {max(alike):.2f}. If all layers are alike, an equal split is nearly the right one, however skewed they are.
    2. It grows, to {spread[-1]:.2f} at d = 1.5. The skewed layers need few slots and the even ones many, and a shared cache moves slots to where they are worth most. So it is not skew that opens the gap but *difference of skew between layers*.

    {embedded(_figure, "Two curves: the gap is flat when all layers have the same skew, and grows when the layers differ")}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What the layers forbid

    Between two requests for the same page at least one page of *every other layer* is asked for. An adversary can no longer ask for the absent page at will: it has to wait for its layer.
    Computed exactly, for 2 layers of 2 experts and 2 slots:
    """)
    return


@app.cell
def _():
    layered = lp.competitive_ratio("lru", layers=2, experts=2, slots=2)
    anything = lp.competitive_ratio("lru", layers=1, experts=4, slots=2)
    {"layered": layered.value, "any order of 4 pages": anything.value}
    return anything, layered


@app.cell(hide_code=True)
def _(anything, layered):
    assert str(layered.value) == "3/2" and anything.value == 2
    mo.accordion(
        {
            "Why 3/2?": mo.md(r"""
    With $k = l = 2$ every layer has one slot in effect: LRU hits only if a layer asks for the same page twice running. Opt may keep a page for longer, but over every request at most
    $l - 1$ other pages can be kept. Counting gives at most $2 - 1/l$, here $3/2$; the claim `lru-equals-partition` of the library checks it. Lesson 4 goes on from here.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Move it yourself

    How much may the layers differ before the split costs a tenth? Move $d$, in tenths.
    """)
    return


@app.cell
def _():
    tenths = mo.ui.slider(0, 15, value=5, label="10 d", show_value=True)
    tenths
    return (tenths,)


@app.cell
def _(gap, tenths):
    _d = tenths.value / 10
    f"Opt per layer / Opt = {gap([1.5 - _d, 1.5 - _d / 3, 1.5 + _d / 3, 1.5 + _d]):.3f}"
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Prove it

    Three layers of three experts, six slots. Give rounds that are repeated for ever, such that the split cache (two slots per layer, LRU in each) misses in every turn and the shared one stops missing.
    A round is a triple of experts. The next cell plays a hundred turns.
    """)
    return


@app.cell
def _():
    my_rounds = []
    return (my_rounds,)


@app.cell
def _(my_rounds):
    def splits(rounds):
        """Say whether the split cache pays in each of a hundred turns, and the shared one only at first."""
        if not rounds or any(len(row) != 3 or not set(row) <= {0, 1, 2} for row in rounds):
            return False
        trace = lp.Trace(list(rounds) * 100, n_experts=3)
        split, shared = (lp.replay(trace, "lru", 6, pool=pool).misses for pool in ("per-layer", "shared"))
        return split >= 100 and shared <= 9

    "proved" if splits(my_rounds) else "not yet"
    return (splits,)


@app.cell(hide_code=True)
def _(splits):
    assert splits([(0, 0, 0), (1, 0, 0), (2, 0, 0)]) and not splits([(0, 0, 0)]) and not splits([])
    mo.accordion(
        {
            "Solution": mo.md(r"""
    (0, 0, 0), (1, 0, 0), (2, 0, 0): one layer asks for three pages in turn, the others for one page each. Five pages fit into six slots, but not three into two.
    """)
        }
    )
    return


if __name__ == "__main__":
    app.run()
