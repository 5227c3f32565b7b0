"""Small pictures that take the colours of the page they stand in, light or dark; no library, a few hundred bytes each."""

from __future__ import annotations

from collections.abc import Mapping

_STYLE = {"optimum": ("currentColor", "2 3"), "lru": ("currentColor", "6 3")}
_OWN = "var(--color-brand-content, #0072b2)"


def curve_svg(lines: Mapping[str, Mapping[int, float]], *, small: bool = False) -> str:
    """Return curves of shares against slots as SVG.

    Parameters
    ----------
    lines : mapping
        From name to a mapping from slots to a share between 0 and 1.  ``optimum`` is dotted, ``lru`` dashed.
    small : bool
        Without axes and names: for a card.
    """
    width, height = (220, 90) if small else (560, 260)
    left, top, bottom = (2, 4, 4) if small else (44, 12, 36)
    right = 2 if small else 36 + 7 * max(map(len, lines))  # where the names stand
    sizes = [size for line in lines.values() for size in line]
    low, high = min(sizes), max(sizes)
    tall = max(0.1, max(share for line in lines.values() for share in line.values()))

    def x(size: float) -> float:
        return round(left + (width - left - right) * (size - low) / max(1, high - low), 1)

    def y(share: float) -> float:
        return round(height - bottom - (height - top - bottom) * share / tall, 1)

    names = ", ".join(lines)
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg" font-size="12">'
        f"<title>Share of requests that miss against slots: {names}</title>"
    ]
    if not small:
        for share in [tick / 100 for tick in range(0, int(tall * 100) + 1, 20)]:
            parts.append(
                f'<line x1="{left}" x2="{width - right}" y1="{y(share)}" y2="{y(share)}" stroke="currentColor" '
                f'stroke-opacity=".2"/><text x="{left - 6}" y="{y(share) + 4}" text-anchor="end" '
                f'fill="currentColor">{round(100 * share)} %</text>'
            )
        for size in range(-(-low // 12) * 12, high + 1, 12):
            parts.append(
                f'<text x="{x(size)}" y="{height - 18}" text-anchor="middle" fill="currentColor">{size}</text>'
            )
        parts.append(f'<text x="{left}" y="{height - 3}" fill="currentColor">slots</text>')
    beside = _apart({name: y(line[max(line)] if small else line[min(line)]) for name, line in lines.items()})
    for name, line in lines.items():
        colour, dash = _STYLE.get(name, (_OWN, ""))
        points = " ".join(f"{x(size)},{y(share)}" for size, share in sorted(line.items()))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{1.6 if dash else 2.6}"{dashed}/>'
        )
        if not small:
            at = width - right + 8
            low_at = beside[name]
            parts.append(
                f'<line x1="{at}" x2="{at + 18}" y1="{low_at}" y2="{low_at}" stroke="{colour}" stroke-width="2"{dashed}/>'
                f'<text x="{at + 22}" y="{low_at + 4}" fill="currentColor" font-size="11">{name}</text>'
            )
    return "".join([*parts, "</svg>"])


def _apart(wanted: Mapping[str, float], gap: float = 18) -> dict[str, float]:
    """Return places of labels, in the order wanted, none closer to another than ``gap``."""
    placed: dict[str, float] = {}
    last = -gap
    for name, at in sorted(wanted.items(), key=lambda pair: pair[1]):
        last = max(at, last + gap)
        placed[name] = last
    return placed
