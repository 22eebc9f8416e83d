"""What is installed in .venv, as an SBOM, and its known vulnerabilities: `make audit`.

Writes build/sbom.cdx.json (CycloneDX). The tools live in a virtual environment of their own, with
pinned hashes; the vulnerabilities are looked up at PyPI, which needs the network. Exit status 0:
none is known; 1: some are, or nothing could be looked up.
"""

import json
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import ROOT, VENV  # noqa: E402
from tools import install  # noqa: E402

TOOLS = VENV / "audit"
SBOM = ROOT / "build" / "sbom.cdx.json"


def main() -> int:
    """Install the tools, write the SBOM, look for vulnerabilities."""
    (packages,) = VENV.glob("lib/python3*/site-packages")
    try:
        inventory = [install("audit") / "cyclonedx-py", "environment", "--output-format", "JSON"]
        SBOM.parent.mkdir(exist_ok=True)
        subprocess.run([*inventory, "-o", SBOM, VENV / "bin" / "python"], check=True)
    except subprocess.CalledProcessError as error:
        print(f"audit: error: {error.cmd[0].name} failed: see above", file=sys.stderr)
        return 1
    print(SBOM.relative_to(ROOT), flush=True)
    return vulnerabilities(packages)


def vulnerabilities(packages: Path) -> int:
    """Print what is known of the packages in a folder; return the exit status."""
    command = [TOOLS / "bin" / "pip-audit", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(
        [*command, "--path", packages], check=False, capture_output=True, text=True
    )
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"audit: error: pip-audit: {done.stderr.strip()[-500:]}", file=sys.stderr)
        return 1
    known = [(each, v) for each in found for v in each.get("vulns", ())]
    for each, vulnerability in known:
        fixes = ", ".join(vulnerability["fix_versions"]) or "nothing yet"
        print(f"{each['name']} {each['version']}: {vulnerability['id']}, mended by {fixes}")
    skipped = sorted(each["name"] for each in found if "skip_reason" in each)
    if len(skipped) == len(found):
        print("audit: error: PyPI's JSON interface answers for no package", file=sys.stderr)
        return 1
    if skipped:
        print(f"not looked up, because PyPI does not know them: {', '.join(skipped)}")
    print(f"{len(known)} known vulnerabilities in {len(found) - len(skipped)} packages")
    return int(bool(known))


if __name__ == "__main__":
    sys.exit(main())
