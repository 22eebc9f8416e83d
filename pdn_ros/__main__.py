"""Entry point of `pdn`: Ctrl-C gives one line from the start, even before the commands load."""

import sys


def main() -> int:
    """Run `pdn` and return its exit status."""
    try:
        from pdn_ros.cli.interrupt import held_back

        with held_back():
            from pdn_ros.cli.app import main as run
        return run()
    except KeyboardInterrupt:
        sys.stderr.write("pdn: error: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
