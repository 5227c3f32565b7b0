"""Python 3.11: nesting of exactly 992 under statement.lower: parses, then Certificate.digest raises RecursionError (depth depends on the caller's frames)."""

from layered_paging.certificate import Certificate
from layered_paging.errors import LayeredPagingError

for d in range(900, 1001):
    text = (
        '{"format":"layered-paging certificate","version":1,"kind":"x","statement":{"lower":'
        + "[" * d
        + "]" * d
        + '},"evidence":{},"digest":""}'
    )
    try:
        Certificate.from_json(text)
    except LayeredPagingError:
        pass
    except BaseException as e:
        print(d, type(e).__name__)
