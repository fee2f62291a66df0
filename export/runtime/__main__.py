"""`python -m export.runtime`: see `export.runtime.cli`."""

import sys

from .cli import main

sys.exit(main())
