"""Certificates as files: what is stated, what proves it, and a digest of both.

This module only stores; ``layered_paging.certify`` is what checks.  A certificate is plain
JSON (gzip-compressed if the file name ends in ``.gz``); nothing in it is executed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .core import strict_json
from .core.files import check_replaceable, read_limited, write_atomic
from .core.wide_text import wide_text
from .errors import FormatError

__all__ = ["Certificate"]

FORMAT = "layered-paging certificate"
VERSION = 1
SMALL = 32 << 20  # bytes of JSON that a compressed file may always hold
LIMIT = 1 << 30  # bytes of JSON read at the most


@dataclass(frozen=True)
class Certificate:
    """A statement and the evidence for it.

    Attributes
    ----------
    kind : str
        Which check applies, for example ``optimum`` or ``ratio-policy``.
    statement : mapping
        What is claimed, in full: a reader needs nothing else to know what is proved.
    evidence : mapping
        What the checker verifies.

    Notes
    -----
    Values are JSON: ints, strings (fractions as ``"7/4"``), lists, mappings, booleans and null.
    """

    kind: str
    statement: Mapping[str, Any]
    evidence: Mapping[str, Any]

    def __repr__(self) -> str:
        said = ", ".join(f"{k} {v}" for k, v in self.statement.items() if v is not None and len(str(v)) <= 24)
        return f"<Certificate: {self.kind}: {said}>"

    @property
    def digest(self) -> str:
        """SHA-256 of kind, statement and evidence in canonical JSON."""
        text = json.dumps(
            [self.kind, self.statement, self.evidence], sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the certificate as one JSON object."""
        fields = {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "statement": self.statement,
            "evidence": self.evidence,
            "digest": self.digest,
        }
        return json.dumps(fields, separators=(",", ":"), allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write the certificate, all of it or nothing; compressed if the name ends in ``.gz``.

        Raises
        ------
        FormatError
            A file that is no certificate has this name.
        """
        check_replaceable(path, FORMAT)
        data = self.to_json().encode() + b"\n"
        if str(path).endswith(".gz"):
            buffer = io.BytesIO()
            with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as stream:
                stream.write(data)
            data = buffer.getvalue()
        write_atomic(path, data)

    @classmethod
    def from_json(cls, text: str, where: str = "certificate") -> Certificate:
        """Read a certificate; the digest must be that of the contents.

        Raises
        ------
        FormatError
            Not a certificate, of a later version, or altered without its digest.
        """
        try:
            fields = strict_json.parse(text)
        except ValueError as error:
            raise FormatError(f"{where}: a certificate must be JSON; {_brief(error)}") from None
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise FormatError(
                f"{where}: 'format' must be {FORMAT!r}; got {fields.get('format') if isinstance(fields, dict) else type(fields).__name__!r}"
            )
        if fields.get("version") != VERSION:
            raise FormatError(f"{where}: 'version' must be {VERSION}; got {fields.get('version')!r}")
        kind, statement, evidence = (fields.get(key) for key in ("kind", "statement", "evidence"))
        if not isinstance(kind, str) or not isinstance(statement, dict) or not isinstance(evidence, dict):
            raise FormatError(f"{where}: 'kind' must be a string, 'statement' and 'evidence' objects")
        certificate = cls(kind, statement, evidence)
        try:
            digest = certificate.digest
        except (ValueError, RecursionError, MemoryError) as error:  # numbers that overflow, nesting that just parses
            raise FormatError(f"{where}: a certificate must be JSON; {_brief(error)}") from None
        if fields.get("digest") != digest:
            raise FormatError(f"{where}: the digest does not fit the contents; the file was altered or cut")
        return certificate

    @classmethod
    def load(cls, path: str | Path) -> Certificate:
        """Read a certificate file, compressed or not."""
        try:
            data = read_limited(path, LIMIT)
            limit = min(LIMIT, max(SMALL, 100 * len(data)))
            if data[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                    data = stream.read(limit + 1)
            if len(data) > limit:
                raise FormatError(
                    f"{path}: a certificate must be below {limit >> 20} MiB uncompressed, or 100 times its file"
                )
            if (wide := wide_text(data)) is not None:
                raise FormatError(f"{path}: {wide}")
            return cls.from_json(data.decode(), str(path))
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise FormatError(f"{path}: cannot be read as a certificate; {error}") from None


def _brief(error: BaseException) -> str:
    """Return what was wrong, on one line."""
    return ascii(str(error))[1:-1][:160] or type(error).__name__
