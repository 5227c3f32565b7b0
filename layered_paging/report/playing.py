"""The playground: one page on which sequences are drawn, policies played, guessed, imitated and attacked."""

from __future__ import annotations

from ..core.arguments import kinds
from .html import fill

__all__ = ["EXAMPLES", "play_page"]

_SHORT = "0,0_1,1_0,2_2,1_0,0_2,1"
_LONGER = "1,2_0,1_0,0_2,1_1,0_0,2_1,1_0,2_1,0_2,2"
EXAMPLES = (
    ("LRU, LLRU and OPT all differ", f"layers=2&experts=3&slots=3&policies=lru,llru,opt&sequence={_SHORT}&step=5"),
    (
        "LRU pays three times the optimum",
        "layers=2&experts=2&slots=3&policies=lru,llru,opt&sequence=" + "_".join(["0,0_1,1"] * 6) + "&step=24",
    ),
    (
        "LLRU pays three times the optimum",
        "layers=2&experts=2&slots=3&policies=lru,llru,opt&sequence=0,0_"
        + "_".join(["1,1_0,0_0,1_1,0_0,0"] * 3)
        + "&step=32",
    ),
    (
        "Belady's anomaly: FIFO, then with 4 slots",
        "layers=1&experts=5&slots=3&policies=fifo,lru,opt&sequence=0_1_2_3_0_1_4_0_1_2_3_4&step=12",
    ),
    (
        "Two experts in each event",
        "layers=2&experts=4&slots=5&policies=lru,llru,lfu,opt&sequence=0+1,0+2_1+2,1+3_0+3,0+2_0+1,2+3_1+2,0+2&step=6",
    ),
    ("Guess what LLRU does", f"mode=predict&layers=2&experts=3&slots=3&policy=llru&sequence={_SHORT}"),
    ("Be the cache", f"mode=cache&layers=2&experts=3&slots=4&policies=lru,llru,opt&sequence={_LONGER}"),
    ("Attack LRU", "mode=adversary&layers=2&experts=2&slots=3&policy=lru"),
    ("Attack LLRU", "mode=adversary&layers=2&experts=3&slots=4&policy=llru"),
)


@kinds()
def play_page(title: str = "Layered paging: watch it, guess it, play it") -> str:
    """Return the playground, a self-contained HTML page.

    Parameters
    ----------
    title : str
        Shown above; any text.

    Notes
    -----
    All that is played is in the address, after ``#``: a copied link shows exactly the same to whoever opens it.
    With ``?embed`` before the ``#`` the page leaves its settings out, to stand inside another page.
    Policies and the optimum are computed in the browser, by the rules of ``layered_paging/policies``. A test plays
    random sequences in a browser and compares every eviction.

    Examples
    --------
    >>> "Be the adversary" in play_page()
    True
    """
    return fill("play.html", title=title, data={"examples": EXAMPLES})
