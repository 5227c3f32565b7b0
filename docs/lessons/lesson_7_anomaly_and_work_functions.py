import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Lesson 7: Belady's anomaly, work functions, adversaries")

with app.setup:
    import itertools

    import marimo as mo

    import layered_paging as lp
    from layered_paging.adversary import play
    from layered_paging.report import board


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lesson 7: Belady's anomaly, work functions, adversaries

    More memory helps, doesn't it? And what does the optimum know *so far*, while the sequence is not over? The second question leads to adversaries that are as bad as can be.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **You will learn** (60 minutes; needs lessons 1 and 4):

    - that more slots may miss more, and which policies are safe from it;
    - to compute the optimum while the sequence goes on, by its work function;
    - to build an adversary out of the work function, and to certify what it forces.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Before you read on

    The pages 0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4 under FIFO. Fill in the sheets for 3 and for 4 slots. Which misses less?
    """)
    return


@app.cell
def _():
    classic = [0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4]

    def single(pages):
        """Return requests to one layer as a trace."""
        return lp.Trace([[page] for page in pages], n_experts=max(pages) + 1)

    mo.Html(board(single(classic), "fifo", 3, blank=True) + board(single(classic), "fifo", 4, blank=True))
    return classic, single


@app.cell(hide_code=True)
def _(classic, single):
    _three, _four = (lp.replay(single(classic), "fifo", slots).misses for slots in (3, 4))
    assert (_three, _four) == (9, 10)
    mo.accordion(
        {
            "Solution": mo.md(f"""
    {_three} misses with three slots and {_four} with four (Belady, Nelson and Shedler, 1969). With four slots FIFO throws out 0 just before 0 comes back.

    {board(single(classic), "fifo", 3)}
    {board(single(classic), "fifo", 4)}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Move it yourself

    The same requests under any policy, with 1 to 5 slots.
    """)
    return


@app.cell
def _():
    policy_shown = mo.ui.dropdown(["fifo", "lru", "clock", "sieve", "lfu", "mark-far"], value="fifo", label="policy")
    policy_shown
    return (policy_shown,)


@app.cell
def _(classic, policy_shown, single):
    {slots: lp.replay(single(classic), policy_shown.value, slots).misses for slots in range(1, 6)}
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: who is safe?

    LRU with $k + 1$ slots always holds what LRU with $k$ slots holds. Why? What follows for its misses? Give the general reason for which furthest next use is safe as well, and FIFO is not.
    """)
    return


@app.cell(hide_code=True)
def _(single):
    for _seed in range(30):
        _trace = single([*lp.workloads.uniform(1, 5, 30, seed=_seed).experts[:, 0, 0].tolist(), 4])
        for _name in ("lru", "belady"):
            _curve = [lp.replay(_trace, _name, slots).misses for slots in range(1, 6)]
            assert _curve == sorted(_curve, reverse=True)
    mo.accordion(
        {
            "Solution": mo.md(r"""
    LRU holds the $k$ pages asked for last. Those are among the $k + 1$ asked for last, so whatever misses with more slots misses with fewer: more slots never miss more. Every policy that orders all pages in *one* list, whatever the number of slots, and keeps the first $k$ of it, has this
    property. Such policies are **stack policies** (Mattson and others, 1970). Furthest next use orders by the next use. FIFO orders by the time of loading, and *that* depends on the number of slots.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Work functions

    Let $w_t(C)$ be the least cost of serving the first $t$ requests and holding exactly the pages $C$ afterwards, $k$ of them. Then

    $$w_{t+1}(C) = \min_{D \,\ni\, r} \; w_t(D) + |C - D|$$

    for a request $r$: some cache $D$ with $r$ serves it, and what $D$ lacks of $C$ is loaded. The optimum so far is $\min_C w_t(C)$. Compute $w$ by hand for $k = 2$, the pages 0, 1, 2, beginning with $\{0, 1\}$, and the requests 2, 0, 1.
    """)
    return


@app.cell
def _():
    def work(pages, slots, requests):
        """Return the work function after each request, as a mapping from sets to costs, from the first pages on."""
        sets = [frozenset(c) for c in itertools.combinations(range(pages), slots)]
        start = frozenset(range(slots))
        now = {c: len(c - start) for c in sets}
        found = [now]
        for page in requests:
            now = {c: min(now[d] + len(c - d) for d in sets if page in d) for c in sets}
            found.append(now)
        return found

    {"".join(map(str, sorted(c))): cost for c, cost in work(3, 2, [2, 0, 1])[-1].items()}
    return (work,)


@app.cell(hide_code=True)
def _(single, work):
    for _requests in itertools.product(range(4), repeat=5):
        _warm = [0, 1, *_requests]  # the first two requests fill the cache
        _trace = lp.Trace([[page] for page in _warm], n_experts=4)
        _optimum = lp.optimum(_trace, 2, admission="forced").misses if _requests[:2] == (2, 3) else None
        _costs = [min(function.values()) for function in work(4, 2, _requests)]
        assert all(a <= b <= a + 1 for a, b in itertools.pairwise(_costs))
        assert _optimum is None or _costs[-1] + 2 == _optimum
    _last = work(3, 2, [2, 0, 1])[-1]
    assert _last == {frozenset({0, 1}): 2, frozenset({0, 2}): 3, frozenset({1, 2}): 2}
    mo.accordion(
        {
            "Solution": mo.md(r"""
    After 2, 0, 1: $w(\{0, 1\}) = 2$, $w(\{0, 2\}) = 3$ and $w(\{1, 2\}) = 2$. The optimum so far is 2: it loads 2 in the place of 1, and then 1. This cell has compared the work function with the library's optimum on 64 sequences, and tried on 1024 that no request costs the optimum more than 1.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## An adversary that thinks

    The adversary of lesson 4 asks for what is absent. A better one also looks at the work function: it asks for what the policy lacks and *some cheapest offline cache holds*. Then the policy pays and the optimum so far does not grow. When all cheapest caches hold the same
    pages as the policy, the game is even again. The library plays such adversaries, and an exhaustive search over (policy's state, work function) is what makes its ratios exact.
    """)
    return


@app.cell
def _():
    game = play("cruel", "lru", layers=1, experts=4, slots=3, rounds=600)
    exact = lp.competitive_ratio("lru", layers=1, experts=4, slots=3)
    lp.certify.check(exact.certificate)
    {"played": float(game.late_ratio()), "exact": exact.value}
    return exact, game


@app.cell(hide_code=True)
def _(exact, game):
    assert exact.value == 3 and abs(game.late_ratio() - 3) < 0.1
    mo.accordion(
        {
            "What does the certificate hold?": mo.md(r"""
    A cycle of requests, what it costs LRU, and an offline schedule for it: the lower side. A potential over the pairs (state, work function), as in lesson 6 but found by the machine: the upper side. The checker needs no search for either.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Prove it

    Give at most 14 requests to the pages 0 to 4, other than the classic ones, on which FIFO misses more with one more slot. Write them into `my_anomaly`.
    """)
    return


@app.cell
def _():
    my_anomaly = []
    return (my_anomaly,)


@app.cell
def _(classic, my_anomaly, single):
    def is_anomaly(pages):
        """Say whether FIFO misses more with one more slot, for some number of slots; the classic example does not count."""
        if not pages or len(pages) > 14 or not set(pages) <= set(range(5)) or list(pages) == classic:
            return False
        found = [lp.replay(single(pages), "fifo", slots).misses for slots in range(1, 5)]
        return any(more > less for less, more in itertools.pairwise(found))

    "proved" if is_anomaly(my_anomaly) else "not yet"
    return (is_anomaly,)


@app.cell(hide_code=True)
def _(classic, is_anomaly):
    _renamed = [4 - page for page in classic]
    assert is_anomaly(_renamed) and not is_anomaly(classic) and not is_anomaly([0, 1, 2] * 4) and not is_anomaly([])
    mo.accordion(
        {
            "Solution": mo.md(f"""
    Rename the pages of the classic example: {", ".join(map(str, _renamed))}. Names do not matter to FIFO. For another one let a search add requests to the end of it.
    """)
        }
    )
    return


if __name__ == "__main__":
    app.run()
