"""`python -m export.explore`: see `export.explore.cli`."""

import sys

from export.explore.cli import main

sys.exit(main())
