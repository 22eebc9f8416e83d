"""The documentation as a site that needs no network: `make site` writes build/site.

The tools live in a virtual environment of their own, with pinned hashes.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import ROOT  # noqa: E402
from tools import install  # noqa: E402

SITE = ROOT / "build" / "site"


def main() -> int:
    """Install the tools and build the site; a link that leads nowhere fails."""
    try:
        mkdocs = install("site") / "mkdocs"
        subprocess.run(
            [mkdocs, "build", "--strict", "--clean", "--site-dir", SITE],
            cwd=ROOT,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
            check=True,
        )
    except subprocess.CalledProcessError as error:
        print(f"site: error: {Path(error.cmd[0]).name} failed: see above", file=sys.stderr)
        return 1
    print(f"{SITE / 'index.html'}: python -m http.server -d {SITE.relative_to(ROOT)} serves it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
