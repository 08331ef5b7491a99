"""`python -m ringrift` is `ringrift-agent`."""

import sys

from ringrift.cli import main

if __name__ == "__main__":
    sys.exit(main())
