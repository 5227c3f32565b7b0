"""Paging in layered caches: replay, optima, exact competitive ratios, and certificates for all of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .core.version import __version__ as __version__

# public name -> module that defines it; imported when first used, so that the import stays light
_HOMES = {
    "Bracket": "ratio",
    "Certificate": "certificate",
    "CertificateRejected": "errors",
    "Instance": "core.instance",
    "LayeredPagingError": "errors",
    "Optimum": "offline",
    "Ratio": "ratio",
    "Run": "engine.run",
    "Trace": "core.trace",
    "Traffic": "core.rules",
    "competitive_ratio": "ratio",
    "diagnose": "analysis.diagnosis",
    "gap_table": "analysis.gaps",
    "inspect": "analysis.sanity",
    "load_trace": "formats",
    "miss_curve": "engine.curves",
    "open_trace": "formats",
    "optimal_ratio": "ratio",
    "optimum": "offline",
    "optimum_curve": "engine.curves",
    "record": "recording",
    "register": "core.registry",
    "replay": "engine.run",
    "save_trace": "formats",
    "table": "ratio",
}
_MODULES = (
    "adversary",
    "catalog",
    "certify",
    "coupon",
    "edge",
    "formats",
    "live",
    "plot",
    "recording",
    "report",
    "reproduction",
    "sweep",
    "testing",
    "transforms",
    "workloads",
)

__all__ = [*_HOMES, *_MODULES]

if TYPE_CHECKING:
    from . import adversary as adversary
    from . import catalog as catalog
    from . import certify as certify
    from . import coupon as coupon
    from . import edge as edge
    from . import formats as formats
    from . import live as live
    from . import plot as plot
    from . import recording as recording
    from . import report as report
    from . import reproduction as reproduction
    from . import sweep as sweep
    from . import testing as testing
    from . import transforms as transforms
    from . import workloads as workloads
    from .analysis.diagnosis import diagnose as diagnose
    from .analysis.gaps import gap_table as gap_table
    from .analysis.sanity import inspect as inspect
    from .certificate import Certificate as Certificate
    from .core.instance import Instance as Instance
    from .core.registry import register as register
    from .core.rules import Traffic as Traffic
    from .core.trace import Trace as Trace
    from .engine.curves import miss_curve as miss_curve
    from .engine.curves import optimum_curve as optimum_curve
    from .engine.run import Run as Run
    from .engine.run import replay as replay
    from .errors import CertificateRejected as CertificateRejected
    from .errors import LayeredPagingError as LayeredPagingError
    from .formats import load_trace as load_trace
    from .formats import open_trace as open_trace
    from .formats import save_trace as save_trace
    from .offline import Optimum as Optimum
    from .offline import optimum as optimum
    from .ratio import Bracket as Bracket
    from .ratio import Ratio as Ratio
    from .ratio import competitive_ratio as competitive_ratio
    from .ratio import optimal_ratio as optimal_ratio
    from .ratio import table as table
    from .recording import record as record


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _MODULES:
        value = importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
