"""The slowest tests and files of the last run: ``make slowest``, after ``make test``.

``python tests/slowest.py [REPORT] [--most N]`` reads the report that ``make test`` writes (JUnit's XML).  Seconds are of the
processor, of the test and of what it started; a doctest has seconds by the clock alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

REPORT = Path("build/tests.xml")


def seconds(path: Path) -> dict[tuple[str, str], float]:
    """Return what each test took, by (file, test)."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        told = [p.get("value") for p in case.iter("property") if p.get("name") == "cpu"]
        key = case.get("classname", ""), case.get("name", "")
        found[key] = float(told[0] if told else case.get("time", 0))
    return found


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", nargs="?", type=Path, default=REPORT)
    parser.add_argument("--most", type=int, default=20)
    args = parser.parse_args()
    if not args.report.exists():
        print(f"{args.report}: no report; make test writes it", file=sys.stderr)
        return 2
    tests = seconds(args.report)
    files: Counter[str] = Counter()
    for (name, _), spent in tests.items():
        files[name] += spent
    print(f"{len(tests)} tests of {len(files)} files took {sum(tests.values()):.0f} s of the processor; the slowest:\n")
    for (name, test), spent in sorted(tests.items(), key=lambda item: -item[1])[: args.most]:
        print(f"{spent:8.1f} s  {name}::{test}")
    print()
    for name, spent in files.most_common(args.most):
        print(f"{spent:8.1f} s  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
