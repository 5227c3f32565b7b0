"""The three journeys of ``docs/tutorials/journeys.md``, run as they stand and timed: ``make journeys``.

Each part of the page is run in a new folder that sees the sample: its console commands by a shell, its Python blocks
as one program in a process of its own.  The table that is printed is the one on the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorials" / "journeys.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Journey(NamedTuple):
    """One part of the page.

    Attributes
    ----------
    name : str
    commands : list of str
        Shell commands, in order.
    program : str
        Its Python blocks, one after another; may be empty.
    """

    name: str
    commands: list[str]
    program: str


def journeys(text: str) -> list[Journey]:
    """Return the parts of a page that have something to run."""
    found = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        blocks = BLOCK.findall(part)
        commands = [
            line[2:] for kind, code in blocks if kind == "console" for line in code.splitlines() if line[:2] == "$ "
        ]
        program = "\n".join(code for kind, code in blocks if kind == "python")
        if commands or program:
            found.append(Journey(part.splitlines()[0], commands, program))
    return found


def run(journey: Journey, folder: Path) -> tuple[float, float, str]:
    """Run a journey in a folder; return wall seconds, processor seconds, and what it said.

    Raises
    ------
    subprocess.CalledProcessError
        Something failed.
    """
    (folder / "layered_paging").symlink_to(ROOT / "layered_paging")
    todo = [["bash", "-c", command] for command in journey.commands]
    if journey.program:
        (folder / "own.py").write_text(journey.program, encoding="utf-8")
        todo.append([sys.executable, "own.py"])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said, begun, used = "", time.perf_counter(), os.times()
    for command in todo:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
        )
        said += done.stdout
    after = os.times()
    processor = after.children_user + after.children_system - used.children_user - used.children_system
    return time.perf_counter() - begun, processor, said


def main() -> int:
    """Run all journeys and print the table."""
    print("| journey | wall, s | processor, s |\n|---|---:|---:|")
    for journey in journeys(PAGE.read_text(encoding="utf-8")):
        with tempfile.TemporaryDirectory() as folder:
            wall, processor, _ = run(journey, Path(folder))
        print(f"| {journey.name[0].lower() + journey.name[1:]} | {wall:.1f} | {processor:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
