"""Shared by all tests: Hypothesis profiles and the optional real traces."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

# a shell starts what it runs in the background without Ctrl-C, and so would be everything that the tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", deadline=None)
# for tests/mutants: the same examples, a few of them; a failure is all that counts, so nothing is shrunk
settings.register_profile(
    "mutants", settings.get_profile("ci"), max_examples=25, database=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault(
    "LAYERED_PAGING_KERNELS", os.devnull
)  # a test sees no kernels compiled ahead that it did not make
_BEGUN = pytest.StashKey[float]()


def _processor() -> float:
    """Return the processor seconds of this process and of all that it started and that have ended."""
    return sum(os.times()[:4])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_BEGUN] = _processor()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Tell the report what the test took of the processor: ``make slowest`` lists it."""
    if call.when == "teardown" and _BEGUN in item.stash:
        item.user_properties.append(("cpu", f"{_processor() - item.stash[_BEGUN]:.3f}"))


# fixture -> mark of the tests that use it: make targets of their own run these
_MARKS = {"browser": "browser", "compiled": "theorems", "proved_checker": "theorems"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in getattr(item, "fixturenames", ()):
            if name in _MARKS:
                item.add_marker(_MARKS[name])


@pytest.fixture(scope="session")
def traces() -> Path:
    """Folder of the optional real traces; the test is skipped where they are absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "traces"
    folder = Path(os.environ.get("LAYERED_PAGING_TRACES", default))
    if not folder.is_dir():
        pytest.skip(f"real traces are absent: no folder {folder}; set LAYERED_PAGING_TRACES")
    return folder


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the theorems once for all workers; what `make theorems` has made is taken over."""
    from layered_paging import theorems

    top = tmp_path_factory.getbasetemp()
    target = (top.parent if top.name.startswith("popen-") else top) / "theorems"
    with (target.parent / "theorems.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = ROOT / "build" / "theorems"
        if made.is_dir() and not target.exists():
            shutil.copytree(made, target)
        theorems.build(target, ROOT / "proofs")
    return target


@pytest.fixture
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch", reason="torch is not installed (extra record)")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny tensors; threads would wait for one another
    yield
    torch.set_num_threads(threads)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; ``apt-get install chromium`` and ``pip install playwright`` provide it."""
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test pages in a browser")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium to test pages in a browser")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
