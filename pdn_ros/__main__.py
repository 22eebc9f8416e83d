"""`python -m pdn_ros` is `pdn`."""

import sys

from pdn_ros.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
