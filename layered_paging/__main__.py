"""``python -m layered_paging``."""

import sys

from .cli import main

sys.exit(main())
