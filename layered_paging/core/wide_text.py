"""Text that is not UTF-8, by its first bytes: what it is, and how to make it UTF-8."""

from __future__ import annotations

__all__ = ["wide_text"]


def wide_text(data: bytes) -> str | None:
    """Return what a message says of text of two or four bytes per character that begins with ``data``; else None.

    Examples
    --------
    >>> wide_text("token,layer".encode("utf-16-le"))
    "must be UTF-8 text; it is UTF-16LE; convert it: 'iconv -f UTF-16LE -t UTF-8 OLD > NEW'"
    >>> wide_text(b"token,layer")
    """
    wide = _encoding(data)
    if wide is None:
        return None
    # PowerShell wants the mark
    shell = "" if wide[6:] else ", or in PowerShell 'Get-Content OLD | Set-Content -Encoding utf8 NEW'"
    return f"must be UTF-8 text; it is {wide}; convert it: 'iconv -f {wide} -t UTF-8 OLD > NEW'{shell}"


def _encoding(data: bytes) -> str | None:
    """Return the encoding of text of two or four bytes per character, by its byte order mark or its zeros; else None."""
    for mark, name in ((b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16")):
        if data.startswith(mark):
            return name
    if data.startswith(b"\xfe\xff"):
        return "UTF-16"
    head = data[:64] if len(data) >= 64 else data[: len(data) // 2 * 2]
    for zeros, signs, name in ((head[1::2], head[::2], "UTF-16LE"), (head[::2], head[1::2], "UTF-16BE")):
        if len(head) >= 8 and not any(zeros) and all(32 <= sign < 127 or sign in b"\t\r\n" for sign in signs):
            return name
    return None
