import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="Lesson 6: Marking, phases, and a potential by hand")

with app.setup:
    import itertools
    from fractions import Fraction

    import marimo as mo

    import layered_paging as lp
    from layered_paging.report import board


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lesson 6: Marking, phases, and a potential by hand

    Two ways to prove that a policy is $k$-competitive. The first cuts the sequence into **phases** and compares costs phase by phase. The second keeps an account, the **potential**, and compares costs request by request.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **You will learn** (60 minutes; needs lesson 1):

    - to cut a sequence into phases, and to bound the optimum by their number;
    - why every policy that marks is k-competitive;
    - to find a potential, and to let a machine try to break it.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Before you read on

    A phase is as long as possible with at most $k$ distinct pages; the next request begins a new phase. Cut 0, 1, 0, 2, 1, 3, 3, 0, 1, 2 into phases for $k = 3$. How many times must anybody miss, and how many times may LRU?
    """)
    return


@app.cell
def _():
    def phases(pages, slots):
        """Return the phases: as long as possible, each with at most ``slots`` distinct pages."""
        cut = [[]]
        for page in pages:
            if page not in cut[-1] and len(set(cut[-1])) == slots:
                cut.append([])
            cut[-1].append(page)
        return cut

    example = [0, 1, 0, 2, 1, 3, 3, 0, 1, 2]
    return example, phases


@app.cell(hide_code=True)
def _(example, phases):
    _trace = lp.Trace([[page] for page in example], n_experts=4)
    _cut = phases(example, 3)
    _opt, _lru = (lp.replay(_trace, name, 3).misses for name in ("belady", "lru"))
    assert _cut == [[0, 1, 0, 2, 1], [3, 3, 0, 1], [2]] and len(_cut) - 1 + 3 - 1 <= _opt <= _lru <= 3 * len(_cut)
    mo.accordion(
        {
            "Solution": mo.md(f"""
    The phases are {", ".join(str(part) for part in _cut)}. In a phase LRU misses each page at most once, because a page that was asked for in the phase is younger than all that were not: at most 3 a phase. Now shift each
    phase by one request, so that it ends with the first request of the next phase. The shifted phase asks for 3 pages other than the one that was just served, so anybody misses at least once in it.
    Opt misses {_opt} times and LRU {_lru} times.

    {board(_trace, ["lru", "opt"], 3)}
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Move it yourself

    The same sequence with other numbers of slots. How do the phases grow?
    """)
    return


@app.cell
def _():
    slots_shown = mo.ui.slider(1, 4, value=2, label="slots", show_value=True)
    slots_shown
    return (slots_shown,)


@app.cell
def _(example, phases, slots_shown):
    phases(example, slots_shown.value)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Marking

    Mark each page when it is asked for. When an unmarked page is needed to go and all are marked, take all marks away: a phase begins. A policy **marks** if it never evicts a marked page. The argument above only used that. So every marking
    policy is $k$-competitive. Chance inside the phase does better: the policy that evicts a *random* unmarked page is $2H_k$-competitive (Fiat and others, 1991).

    **Exercise.** LRU marks, and FIFO does not. Find a phase in which FIFO misses a page that was asked for in the same phase. Is FIFO still $k$-competitive?
    """)
    return


@app.cell(hide_code=True)
def _():
    _pages = [0, 1, 0, 2, 0]
    _fifo = lp.replay(lp.Trace([[page] for page in _pages], n_experts=3), "fifo", 2, record=True)
    assert _fifo.missed.ravel().tolist() == [True, True, False, True, True]
    assert lp.competitive_ratio("fifo", layers=1, experts=3, slots=2).value == 2
    assert lp.competitive_ratio("marking", layers=1, experts=3, slots=2).value <= 2 * lp.coupon.harmonic(2)
    mo.accordion(
        {
            "Solution": mo.md(r"""
    Two slots and 0, 1, 0, 2, 0. The second phase is 2, 0. At 2 FIFO evicts 0, which came first, though 0 was asked for more recently than 1. It is $k$-competitive all the same: between two misses of one page it loads $k$ others, so it misses at most
    $k$ times while at most $k$ distinct pages are asked for. Such policies are called *conservative*.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## A potential by hand

    Play LRU and Opt beside each other. Give the pages of LRU's cache the weights $1, 2, \dots, k$ by age, the oldest 1 and the youngest $k$; a page that is not there has weight 0. The potential is

    $$\Phi = \sum_{p \,\in\, \mathrm{LRU} - \mathrm{Opt}} w(p).$$

    Claim: at every request, $\mathrm{LRU} + \Delta\Phi \le k \cdot \mathrm{Opt}$. Add up over all requests: since $\Phi \ge 0$ and it begins at 0, $\mathrm{LRU} \le k \cdot \mathrm{Opt}$.

    **Exercise.** Let Opt serve the request first, then LRU. By how much can $\Phi$ grow when Opt evicts a page? By how much does it fall when LRU misses a page that Opt has?
    """)
    return


@app.cell
def _():
    def holds(weight, experts=4, slots=3, length=7):
        """Say whether LRU + change of the potential <= slots * Opt at every step of every sequence, from full caches on.

        ``weight(age, slots)`` is the weight of a page of LRU: age 0 is the oldest of ``slots`` pages.
        """

        def potential(recency, best):
            return sum(Fraction(weight(age, slots)) for age, page in enumerate(recency) if page not in best)

        start = tuple(range(slots))
        seen, work = {(start, frozenset(start))}, [(start, frozenset(start), length)]
        while work:
            recency, best, left = work.pop()
            for page in range(experts if left else 0):
                choices = [best] if page in best else [best - {gone} | {page} for gone in best]
                after = (*(p for p in recency if p != page), page)[-slots:]
                for kept in choices:
                    paid = page not in recency, page not in best
                    if paid[0] + potential(after, kept) - potential(recency, best) > slots * paid[1]:
                        return False
                    if (after, kept) not in seen:
                        seen.add((after, kept))
                        work.append((after, kept, left - 1))
        return True

    return (holds,)


@app.cell(hide_code=True)
def _(holds):
    assert holds(lambda age, slots: age + 1)
    assert not holds(lambda age, slots: 1)
    mo.accordion(
        {
            "Solution": mo.md(r"""
    When Opt misses and evicts a page, that page enters $\mathrm{LRU} - \mathrm{Opt}$ with weight at most $k$. Opt pays 1, so the right side grows by $k$: enough. Then LRU serves the request, and Opt has the page.
    If LRU misses, some page of LRU is not in Opt, as Opt has the page that LRU lacks. Either LRU evicts it, and it had weight at least 1; or it stays and its weight falls by 1, since it grows older. So $\Phi$ falls by at least 1, which pays for the miss. If LRU hits,
    no weight outside Opt grows. The cell above has tried every request and every choice of an offline cache, for 4 pages and 3 slots. With all weights equal to 1 it finds a step that breaks the claim.
    """)
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Prove it

    FWF empties the whole cache when a page does not fit. Its potential has another shape, but first find the limits of this one. Which weights work for LRU beside $1, 2, 3$? Write three numbers, the oldest first and not all integers, into `my_weights`. The machine tries to break them.
    """)
    return


@app.cell
def _():
    my_weights = []
    return (my_weights,)


@app.cell
def _(holds, my_weights):
    def stands(weights):
        """Say whether these weights, not all integers, make the claim true at every step."""
        if len(weights) != 3 or all(Fraction(w).denominator == 1 for w in weights):
            return False
        return holds(lambda age, slots: weights[age])

    "proved" if stands(my_weights) else "not yet"
    return (stands,)


@app.cell(hide_code=True)
def _(stands):
    _half = [Fraction(n, 2) for n in range(1, 9)]
    _work = [weights for weights in itertools.product(_half, repeat=3) if stands(weights)]
    assert _work and all(weights[:2] == (1, 2) for weights in _work) and not stands([1, 2, 3])
    assert {weights[2] for weights in _work} == {w for w in _half if w.denominator == 2}
    mo.accordion(
        {
            "Solution": mo.md(r"""
    1, 2, 1/2 for one: the two older weights are forced, and the youngest is free. The oldest must be at least 1, to pay for a miss that evicts it, and the next at least 1 above it. If Opt evicts the page that was the youngest while
    LRU misses too, that page has the second weight afterwards, which must be at most $k - 1 = 2$. And the youngest page has just been asked for, so Opt holds it: its weight never counts.
    """)
        }
    )
    return


if __name__ == "__main__":
    app.run()
