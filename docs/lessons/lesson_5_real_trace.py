import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Lesson 5: From theory to a real trace")

with app.setup:
    import marimo as mo
    import numpy as np

    import layered_paging as lp
    from layered_paging.plot import COLOURS, embedded, new_figure
    from layered_paging.samples import SAMPLE


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lesson 5: From theory to a real trace

    The package ships a recording: a small language model with experts, trained by a script that is in the package too, continues prompts of six kinds, and every choice of its routers
    is written down. What do the lessons so far say about it, and what do they not say?
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **You will learn** (50 minutes; needs lessons 1 to 3):

    - what a ratio says about a real trace, and what it does not;
    - to tell popularity from time, and the policy from the memory;
    - to turn misses into milliseconds.
    """)
    return


@app.cell
def _():
    trace = lp.load_trace(SAMPLE)
    trace
    return (trace,)


@app.cell(hide_code=True)
def _(trace):
    pages = trace.pages
    token = trace.layers * trace.top_k
    mo.md(f"""
    ## Before you read on

    {trace.layers} layers of {trace.n_experts[0]} experts, {pages} pages; every token asks each layer for {trace.top_k}, so for {token} pages a token. The cache has {pages // 4} slots, a quarter of the pages.

    1. If every expert were asked for equally often and independently, which share of the requests would miss?
    2. LRU is $k$-competitive, and $k$ is {pages // 4} here. So how many times as often as Opt does it miss on this trace: about 1, about 2, about {pages // 4}?
    """)
    return pages, token


@app.cell
def _(pages, trace):
    quarter = pages // 4
    policies = ("lru", "llru", "lfu")
    found = {name: lp.replay(trace, name, quarter).misses for name in policies}
    emptied = {name: lp.replay(trace, name, quarter, reset="session").misses for name in policies}
    found["opt"] = lp.optimum(trace, quarter, admission="forced").misses
    even = lp.workloads.uniform(trace.layers, trace.n_experts[0], trace.rounds, top_k=trace.top_k, seed=1)
    even_misses = lp.replay(even, "lru", quarter).misses
    return emptied, even, even_misses, found, quarter


@app.cell(hide_code=True)
def _(emptied, even_misses, found, quarter, trace):
    assert emptied["lfu"] < emptied["lru"]
    assert found["opt"] <= min(found.values()) and 1 < found["lru"] / found["opt"] < 4 and even_misses > found["lru"]
    _rows = "".join(
        f"<tr><td>{name}</td><td>{misses:,}</td><td>{misses / trace.requests:.1%}</td><td>{misses / found['opt']:.2f}</td></tr>"
        for name, misses in found.items()
    )
    mo.accordion(
        {
            "Solution": mo.md(f"""
    <table><tr><th>policy</th><th>misses</th><th>of the requests</th><th>times Opt</th></tr>{_rows}</table>

    1. Drawn evenly, {even_misses / trace.requests:.0%} miss under LRU, a little more than the three quarters that are not in the cache. The real trace misses less often: its routing is skewed and it repeats itself.
    2. LRU pays {found["lru"] / found["opt"]:.2f} times what Opt pays, far from {quarter}. The competitive ratio is a promise for *every* sequence; a router is not an adversary who looks into the cache. What the ratio tells you is that it cannot get arbitrarily bad when the traffic
    changes. What this trace tells you is what you pay today. One needs both.
    3. The order of the policies depends on the *reset*. Here the cache is never emptied. Emptied at each session, LRU misses {emptied["lru"]:,} times and LFU {emptied["lfu"]:,} times.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What the router does

    Share of the requests that go to each expert, for every kind of prompt, in the first and the last layer. Which kinds could share a cache?
    """)
    return


@app.cell(hide_code=True)
def _(trace):
    kinds = [item["category"] for item in trace.meta["items"]]
    of_round = np.repeat(kinds, np.diff([*trace.sessions, trace.rounds]))
    names = list(dict.fromkeys(kinds))
    _figure = new_figure(height=3.4)
    for _axes, _layer in zip(_figure.subplots(1, 2, sharey=True), (0, trace.layers - 1), strict=True):
        _share = np.array(
            [
                np.bincount(trace.experts[of_round == kind, _layer].ravel(), minlength=trace.n_experts[_layer])
                for kind in names
            ],
            float,
        )
        _share /= _share.sum(axis=1, keepdims=True)
        _picture = _axes.imshow(_share, cmap="cividis", vmin=0, vmax=0.35, aspect="auto")
        _axes.set(title=f"layer {_layer}", xlabel="expert")
        _axes.set_yticks(range(len(names)), names)
    _figure.colorbar(_picture, label="share of requests")
    mo.Html(embedded(_figure, "Two heat maps of kinds of prompt against experts: each kind has experts of its own"))
    return kinds, names, of_round


@app.cell(hide_code=True)
def _(names, of_round, trace):
    _uses = {
        kind: np.bincount(
            (trace.experts[of_round == kind] + np.arange(trace.layers)[:, None] * 16).ravel(), minlength=trace.pages
        )
        for kind in names
    }
    _shares = {kind: uses / uses.sum() for kind, uses in _uses.items()}
    _common = {
        (a, b): float(np.minimum(_shares[a], _shares[b]).sum()) for n, a in enumerate(names) for b in names[n + 1 :]
    }
    _near, _far = max(_common, key=_common.get), min(_common, key=_common.get)
    assert 0 < _common[_far] < _common[_near] < 1
    mo.accordion(
        {
            "Solution": mo.md(f"""
    Compare the shares of all {trace.pages} pages: what two kinds have in common is the sum of the smaller shares. Most alike are {_near[0]} and {_near[1]} with {_common[_near]:.0%}; these two can share a cache best.
    Least alike are {_far[0]} and {_far[1]} with {_common[_far]:.0%}.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: what makes the misses?

    Two things help a cache: some experts are *popular*, and the same experts come *again soon*. Shuffle the tokens of the trace: popularity stays, time is destroyed. How do LRU and Opt change? And
    which part of LRU's advantage over even traffic is popularity, which is time?
    """)
    return


@app.cell
def _(quarter, trace):
    order = np.random.default_rng(0).permutation(trace.rounds)
    shuffled = lp.Trace(trace.experts[order], trace.n_experts)
    after = {name: lp.replay(shuffled, name, quarter).misses for name in ("lru", "lfu")}
    after["opt"] = lp.optimum(shuffled, quarter, admission="forced").misses
    return (after,)


@app.cell(hide_code=True)
def _(after, even_misses, found):
    assert found["lru"] < after["lru"] < even_misses and found["opt"] < after["opt"]
    _time = (after["lru"] - found["lru"]) / (even_misses - found["lru"])
    mo.accordion(
        {
            "Solution": mo.md(f"""
    LRU goes from {found["lru"]:,} to {after["lru"]:,} misses, Opt from {found["opt"]:,} to {after["opt"]:,}. Of the gap between LRU here and LRU on even traffic ({even_misses:,}) {_time:.0%} is time and the rest
    popularity. LFU, which knows only popularity, goes from {found["lfu"]:,} to {after["lfu"]:,}.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: what a miss costs here

    One number of slots is one point. Draw the misses at *every* number of slots, and turn slots into bytes: an expert of this model is small, but say yours has 100 MB and comes over a link of 25 GB/s.
    How many milliseconds does a token wait with LRU, how many with Opt, at a quarter of the pages? Which is worth more, a better policy or a quarter more memory?
    """)
    return


@app.cell
def _(trace):
    curves = {name: lp.miss_curve(trace, name) for name in ("lru", "llru")}
    curves["opt"] = lp.optimum_curve(trace, admission="forced")
    curves["opt per layer"] = lp.optimum_curve(trace, admission="forced", pool="per-layer")
    milliseconds = {name: curve / trace.rounds * 100e6 / 25e9 * 1e3 for name, curve in curves.items()}
    return curves, milliseconds


@app.cell(hide_code=True)
def _(curves, found, milliseconds, pages, quarter):
    assert curves["lru"][quarter] == found["lru"] and curves["opt"][quarter] == found["opt"]
    assert all(a <= b for a, b in zip(curves["opt"], curves["opt per layer"], strict=True) if a >= 0 and b >= 0)
    _more = quarter * 5 // 4
    _figure = new_figure()
    _axes = _figure.subplots()
    for _n, (_name, _curve) in enumerate(milliseconds.items()):
        _points = [(s, ms) for s, ms in enumerate(_curve) if curves[_name][s] >= 0]
        _axes.plot(*zip(*_points, strict=True), label=_name, color=COLOURS[_n], linestyle=("-", "--", "-.", ":")[_n])
    _axes.axvline(quarter, color="#888", linewidth=0.8)
    _axes.set(
        xlabel=f"slots, of {pages} pages", ylabel="milliseconds of loading a token", xlim=(0, pages), ylim=(0, None)
    )
    _axes.grid(alpha=0.3)
    _axes.legend()
    mo.accordion(
        {
            "Solution": mo.md(f"""
    A miss costs 100 MB / 25 GB/s = 4 ms. At {quarter} slots a token waits {milliseconds["lru"][quarter]:.1f} ms under LRU and {milliseconds["opt"][quarter]:.1f} ms under Opt, the most that any policy could save.
    LRU with {_more} slots waits {milliseconds["lru"][_more]:.1f} ms. So a quarter more memory saves {milliseconds["lru"][quarter] - milliseconds["lru"][_more]:.1f} ms, and no policy saves more than
    {milliseconds["lru"][quarter] - milliseconds["opt"][quarter]:.1f} ms. A policy is worth more than that memory if it reaches {(milliseconds["lru"][quarter] - milliseconds["lru"][_more]) / (milliseconds["lru"][quarter] - milliseconds["opt"][quarter]):.0%} of the way to Opt; LLRU saves {milliseconds["lru"][quarter] - milliseconds["llru"][quarter]:.1f} ms here.

    {embedded(_figure, "Loading time a token against slots, for LRU, LLRU, Opt and Opt per layer")}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Exercise: shared or split, for this model

    In lesson 2 the gap between Opt and Opt per layer came from layers that differ in skew. Read the gap off the curves at a quarter of the pages. Do the layers of this model differ much?
    """)
    return


@app.cell(hide_code=True)
def _(curves, quarter, trace):
    _gap = curves["opt per layer"][quarter] / curves["opt"][quarter]
    _entropies = []
    for _layer in range(trace.layers):
        _p = np.bincount(trace.experts[:, _layer].ravel(), minlength=trace.n_experts[_layer]) / (
            trace.rounds * trace.top_k
        )
        _entropies.append(float(np.exp(-(_p[_p > 0] * np.log(_p[_p > 0])).sum())))
    assert _gap >= 1 and all(1 <= e <= trace.n_experts[0] for e in _entropies)
    mo.accordion(
        {
            "Solution": mo.md(f"""
    The gap is {_gap:.3f}. As a measure of skew take the *effective number* of experts, the exponential of the entropy of their use: {", ".join(f"{e:.1f}" for e in _entropies)} of {trace.n_experts[0]} in
    the layers from first to last. {"Training asked for balance in every layer, and the layers are much alike" if max(_entropies) < 1.3 * min(_entropies) else "Training asked for balance in every layer, and still the layers differ"}. A split also
    loses for another reason: what layers need varies from prompt to prompt, and a shared cache follows. Measure yours: `layered-paging diagnose TRACE --slots N`.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Move it yourself

    Read the curves at any number of slots.
    """)
    return


@app.cell
def _(pages):
    slots_read = mo.ui.slider(12, pages, value=24, label="slots", show_value=True)
    slots_read
    return (slots_read,)


@app.cell
def _(curves, slots_read):
    {name: int(curve[slots_read.value]) for name, curve in curves.items()}
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Prove it

    How many slots does LRU need to miss no more often than Opt does with a quarter of the pages? Write the least number into `my_slots`. The optimum that it is compared with has a certificate.
    """)
    return


@app.cell
def _():
    my_slots = None
    return (my_slots,)


@app.cell
def _(curves, my_slots, quarter):
    def is_least(slots):
        """Say whether LRU with this number of slots reaches Opt with a quarter, and with one less does not."""
        goal = curves["opt"][quarter]
        return slots is not None and bool(curves["lru"][slots] <= goal < curves["lru"][slots - 1])

    "proved" if is_least(my_slots) else "not yet"
    return (is_least,)


@app.cell(hide_code=True)
def _(is_least, pages, quarter):
    _least = [slots for slots in range(13, pages + 1) if is_least(slots)]
    assert len(_least) == 1 and not is_least(None)
    mo.accordion(
        {
            "Solution": mo.md(f"""
    {_least[0]} slots, against {quarter}: {_least[0] / quarter:.2f} times the memory. That is what knowing the future is worth on this trace.
    """)
        }
    )
    return


if __name__ == "__main__":
    app.run()
