"""The pages for people: README.md, CONTRIBUTING.md, SECURITY.md and docs/. Run by `make lint`.

Prints links to files or headings that are not there, and pages that mkdocs.yml does not list.
"""

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
AT_THE_TOP = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "reporting.md": "SECURITY.md",
}
"""Pages of the site that lie at the top of the repository."""
MADE = ("topics.md", "commands.md")
"""Pages that reference.py makes."""
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def source(page: str) -> str:
    """Return where a page of the site lies in the repository."""
    return AT_THE_TOP.get(page) or f"docs/{page}"


def sources() -> list[str]:
    """Return all pages that lie in the repository."""
    docs = (ROOT / "docs").rglob("*.md")
    return [*AT_THE_TOP.values(), *sorted(path.relative_to(ROOT).as_posix() for path in docs)]


def target(path: str, link: str) -> str:
    """Return the file of the repository that a relative link of the file `path` names."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link)) if link else path


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        found.add(slug)
    return found


def problems() -> Iterator[str]:
    """Yield a line for each link that leads nowhere and each page that is not listed."""
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in sources()}
    for path, text in texts.items():
        # Newlines stay, so that lines can be counted.
        prose = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
        for match in LINK.finditer(prose):
            place = f"{path}:{prose.count(chr(10), 0, match.start()) + 1}"
            file, anchor = target(path, match[1]), (match[2] or "").removeprefix("#")
            if not (ROOT / file).exists():
                yield f"{place}: there is no {match[1]}"
            elif anchor and file in texts and anchor not in anchors(texts[file]):
                yield f"{place}: {match[1] or 'this page'} has no heading #{anchor}"
    listed = set(_pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    here = {source(page): page for page in listed - set(MADE)}
    yield from (f"mkdocs.yml: does not list {path}" for path in texts if path not in here)
    yield from (
        f"mkdocs.yml: there is no {page}" for path, page in here.items() if path not in texts
    )


def _pages(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages(part)


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found) or "All links lead somewhere.")
    sys.exit(bool(found))
