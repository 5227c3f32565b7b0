"""Route traces whose rows say other bytes than the header."""

from __future__ import annotations

from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.errors import FormatError

HEAD = "# route_trace v1\n# model=m arch=a n_layer=2 n_expert=4 n_expert_used=1\n"
SIZES = "# layer=0 expert_bytes=100\n# layer=1 expert_bytes=300\n"
COLUMNS = "turn,phase,step,layer,slot,expert,weight,residency,expert_bytes\n"


def read(folder: Path, sizes: str, *said: str, weight: str = "") -> lp.Trace:
    rows = [f"0,1,{n // 2},{n % 2},0,{n % 4},{weight},0,{size}\n" for n, size in enumerate(said)]
    path = folder / "t.route.csv"
    path.write_text(HEAD + sizes + COLUMNS + "".join(rows))
    return lp.load_trace(path)


@pytest.mark.parametrize("weight", ["", "nan"])  # read in bulk, and row by row
@pytest.mark.parametrize(
    ("sizes", "said", "words"),
    [
        (SIZES, ("100", "300", "100", "300"), None),
        (SIZES, ("0", "0", "", "300"), None),
        ("", ("0", "0"), None),
        (
            SIZES,
            ("100", "300", "0", "299"),
            "rows that say others: 1; line 9 says 299 for layer 1, the header says 300",
        ),
        (SIZES, ("300", "100"), "rows that say others: 2; line 6 says 300 for layer 0, the header says 100"),
        ("", ("100", "300"), "rows that say others: 2; line 4 says 100 for layer 0, the header says none"),
    ],
)
def test_other_bytes_are_told(
    weight: str, sizes: str, said: tuple[str, ...], words: str | None, tmp_path: Path
) -> None:
    trace = read(tmp_path, sizes, *said, weight=weight)
    found = [one for one in trace.meta.get("assumed", []) if one["about"] == "expert_bytes"]
    assert [one["why"] for one in found] == ([] if words is None else [words])
    assert (trace.expert_bytes is None) == (sizes == "")


@pytest.mark.parametrize("size", ["-1", "x", "1.5", "1e400"])
def test_what_is_no_size_is_refused(size: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"line 6: 'expert_bytes' must be an integer of at least 0"):
        read(tmp_path, SIZES, size, "300")
