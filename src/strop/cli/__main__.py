"""`python -m strop.cli` is `strop`."""

import sys

from strop.cli import main

if __name__ == "__main__":
    sys.exit(main())
