import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Lesson 4: Lower bounds, by adversary and by coupons")

with app.setup:
    from fractions import Fraction

    import marimo as mo

    import layered_paging as lp
    from layered_paging.adversary import play
    from layered_paging.plot import embedded, new_figure


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lesson 4: Lower bounds, by adversary and by coupons

    How good can *any* policy be? Two ideas: against a deterministic policy play an **adversary** who sees the cache; against a randomized one, who cannot be seen through, draw the requests
    **at random** and count how long it takes to collect all coupons.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **You will learn** (60 minutes; needs lessons 1 and 2):

    - to force misses: the adversary that asks for the absent page, and waits;
    - that the least ratio of all policies can be decided, with a certificate for either side;
    - Yao's principle, and coupon collectors in parallel.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Before you read on

    One layer, $k + 1$ pages, $k$ slots. The adversary always asks for the page that is absent. How many misses in $T$ requests has the policy? And Opt?
    Then: two layers. Why can the adversary not do the same, and what is the next best?
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.accordion(
        {
            "Solution": mo.md(r"""
    The policy misses always, $T$ times. Opt evicts the page whose next use is furthest away, and all other $k$ pages are asked for before that one: it misses once in $k$ requests. Ratio $k$.

    With layers the absent page may be in another layer than the one whose turn it is. The adversary then asks for something useless and waits: in a layer without an absent page it
    repeats the page asked for there last. In a phase with $k$ new pages at most $l - 1$ come in without a miss while it waits, so at least $k - (l - 1)$ misses against one of Opt: **no
    deterministic policy is better than $k - l + 1$**.
    """)
        }
    )
    return


@app.cell
def _():
    games = {
        (layers, name): play("layered-cruel", name, layers=layers, experts=6 // layers, slots=5, rounds=3000 // layers)
        for layers in (1, 2, 3)
        for name in ("lru", "mark-far")
    }
    return (games,)


@app.cell(hide_code=True)
def _(games):
    for _l in (2, 3):
        assert games[_l, "lru"].late_ratio() > games[_l, "mark-far"].late_ratio()
    for _game in games.values():
        assert _game.bound == 5 - _game.layers + 1
        assert _game.cost >= _game.bound * (_game.optimum - 6)
    _rows = "".join(
        f"<tr><td>{_l}</td><td>{_n}</td><td>{_g.bound}</td><td>{_g.cost}</td><td>{_g.optimum}</td><td>{float(_g.late_ratio()):.3f}</td></tr>"
        for (_l, _n), _g in games.items()
    )
    mo.md(f"""
    Six pages in 1, 2 or 3 layers, 5 slots, 3000 requests; the optimum is exact:

    <table><tr><th>layers</th><th>policy</th><th>k - l + 1</th><th>misses</th><th>Opt</th><th>ratio, second half</th></tr>{_rows}</table>

    With one layer both pay 5, the number of slots. With more layers MARK-FAR pays what the bound says, and LRU pays more: it does not use that layers take turns.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Is the bound the truth?

    A game played once shows a lower bound for one policy. The library also *solves* the game: the least ratio over all deterministic policies, with a certificate for either side.
    """)
    return


@app.cell
def _():
    small = lp.optimal_ratio(layers=2, experts=2, slots=3)
    large = lp.optimal_ratio(layers=4, experts=2, slots=5)
    lp.certify.check(large.certificate)
    {"2 layers of 2, 3 slots": (small.lower, small.upper), "4 layers of 2, 5 slots": (large.lower, large.upper)}
    return large, small


@app.cell(hide_code=True)
def _(large, small):
    assert small.lower == small.upper == 2 and large.lower == large.upper == Fraction(7, 3)
    mo.accordion(
        {
            "What do the two results say?": mo.md(r"""
    At 2 layers of 2 experts with 3 slots the best possible ratio is 2 $= k - l + 1$. At 4 layers of 2 with 5 slots it is **7/3**, and $k - l + 1 = 2$: there the simple adversary is not the worst one. At
    which sizes the bound is attained is open in general.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Coupons

    Against a randomized policy the adversary does not see the coins. **Yao's principle**: if the requests come from a random source, the best deterministic policy for this source does no worse than any randomized policy does in
    the worst case. So choose the source and compare expected costs.

    Take $k + 1 = l n$ pages, and let every request be uniform in its layer. *Every* policy lacks one page, so it misses with probability $1/n$ whenever that page's layer has its turn: at least once in $n$ rounds on average.
    Opt throws out the page that is asked for last: it pays once until **all pages of all layers** have been asked for. That is the coupon collector, with $l$ collectors side by side.

    **Exercise.** One collector, $n$ kinds of coupons: show that $n H_n$ draws are expected, $H_n = 1 + 1/2 + \dots + 1/n$. What lower bound follows for $l = 1$?
    """)
    return


@app.cell(hide_code=True)
def _():
    def harmonic(n):
        return sum((Fraction(1, i) for i in range(1, n + 1)), Fraction(0))

    assert all(lp.coupon.expected_rounds(n) == n * harmonic(n) for n in range(1, 30))
    assert all(lp.coupon.yao_bound(1, n) == harmonic(n - 1) for n in range(2, 20))
    mo.accordion(
        {
            "Solution": mo.md(r"""
    With $j$ kinds still missing a draw is new with probability $j/n$, so one waits $n/j$ draws; add up over $j = n, ..., 1$. For $l = 1$ there are $k + 1 = n$ pages. The first request of
    a phase is one of them, so the remaining $k$ need $n H_k$ draws, of which a policy misses one in $n$: the ratio is at least $H_k$, the classical bound, and it is attained.
    """)
        }
    )
    return (harmonic,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Several collectors

    $l$ layers collect in parallel, and the phase ends when the *last* has all its coupons. With 32 layers, does it take about 32 times as long as with one, or about $\ln 32 = 3.5$ times, or less than that? Guess, then look.
    """)
    return


@app.cell
def _():
    collectors = [1, 2, 4, 8, 16, 32]
    exact = [lp.coupon.enclose_rounds(8, l).lower for l in collectors]  # to 30 digits
    drawn = [lp.coupon.simulate(8, l, samples=2000, seed=1) for l in collectors]
    return collectors, drawn, exact


@app.cell(hide_code=True)
def _(collectors, drawn, exact):
    _hits = sum(a.interval(0.999)[0] <= e <= a.interval(0.999)[1] for a, e in zip(drawn, exact, strict=True))
    assert _hits == len(exact) and exact[-1] < 3 * exact[0]
    _figure = new_figure(height=3.2)
    _axes = _figure.subplots()
    _axes.plot(collectors, [float(e) for e in exact], "-", label="exact")
    _axes.plot(collectors, [a.mean for a in drawn], "o", label="2000 samples each")
    _axes.set(xscale="log", xlabel="collectors (layers)", ylabel="expected rounds, 8 coupons", ylim=(0, None))
    _axes.set_xticks(collectors, [str(l) for l in collectors])
    _axes.minorticks_off()
    _axes.grid(alpha=0.3)
    _axes.legend()
    mo.accordion(
        {
            "Solution": mo.md(f"""
    About a constant more for every doubling: logarithmic. 32 collectors need {float(exact[-1]):.1f} rounds where one needs {float(exact[0]):.1f}.

    {embedded(_figure, "Expected rounds against collectors on a logarithmic axis: nearly a straight line")}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: between the bounds

    The exact Yao bound, beside $H_n$ and $H_k$, for $k = l n - 1$. Which of the three is a lower bound for randomized policies, which an upper bound for the best of them, and where is the truth at $l = n = 2$?
    """)
    return


@app.cell
def _(harmonic):
    table = {
        f"{l} x {n}": (float(harmonic(n)), float(lp.coupon.yao_bound(l, n)), float(harmonic(l * n - 1)))
        for l, n in [(2, 2), (2, 3), (3, 3), (4, 5)]
    }
    return (table,)


@app.cell(hide_code=True)
def _(harmonic, table):
    assert all(low <= bound < high for low, bound, high in table.values())
    assert lp.coupon.yao_bound(2, 2) == Fraction(3, 2) and harmonic(3) == Fraction(11, 6)
    _rows = "".join(
        f"<tr><td>{name}</td><td>{a:.4f}</td><td>{b:.4f}</td><td>{c:.4f}</td></tr>" for name, (a, b, c) in table.items()
    )
    mo.vstack(
        [
            mo.md(f"<table><tr><th>l x n</th><th>H_n</th><th>Yao, exact</th><th>H_k</th></tr>{_rows}</table>"),
            mo.accordion(
                {
                    "Solution": mo.md(r"""
    The Yao bound is a lower bound; $H_k$ is what classical policies reach on any sequence, so the best does at least as well; $H_n$ is below the Yao bound or equal to it in these rows. At $l = n = 2$: between $3/2$ and
    $11/6$. The library decides it, with certificates: $7/4$ (`layered-paging ratio --optimal --randomized --layers 2 --experts 2 --slots 3`). A source better than the uniform one exists, and the layers help the policy.
    """)
                }
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Move it yourself

    How does the exact Yao bound grow with the layers, for three experts each?
    """)
    return


@app.cell
def _():
    layers_shown = mo.ui.slider(1, 8, value=2, label="layers", show_value=True)
    layers_shown
    return (layers_shown,)


@app.cell
def _(layers_shown):
    {f"{layers_shown.value} x 3": f"{float(lp.coupon.yao_bound(layers_shown.value, 3)):.4f}"}
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Prove it

    What is the least ratio of any deterministic policy for two layers of three experts and three slots? Write a fraction into `my_bound`. The next cell compares it with both sides of a certificate, which the
    small checker has accepted.
    """)
    return


@app.cell
def _():
    my_bound = None
    return (my_bound,)


@app.cell
def _(my_bound):
    solved = lp.optimal_ratio(layers=2, experts=3, slots=3)
    lp.certify.check(solved.certificate)
    "proved" if my_bound is not None and solved.lower == my_bound == solved.upper else "not yet"
    return (solved,)


@app.cell(hide_code=True)
def _(solved):
    assert solved.lower == solved.upper == 2
    mo.accordion(
        {
            "Solution": mo.md(r"""
    2, which is $k - l + 1$. One side of the certificate is a strategy for the policy, the other one for the adversary. LRU has 3 at this size.
    """)
        }
    )
    return


if __name__ == "__main__":
    app.run()
