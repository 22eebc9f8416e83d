"""What mkdocs needs beside docs/: pages at the top of the repository, and pages made from the code.

A link to another file of the repository leads to a copy of it below `files/`.
"""

import json
import posixpath
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pages import AT_THE_TOP, LINK, ROOT, source, sources, target

PYTHON = ROOT / ".venv" / "bin" / "python"  # has the package; that of the site has not


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make anchors as GitHub does."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/, and the files that pages link to."""
    for page, path in AT_THE_TOP.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    made = subprocess.run(
        [PYTHON, ROOT / "support" / "reference.py"], check=True, stdout=subprocess.PIPE, text=True
    )
    for page, text in json.loads(made.stdout).items():
        files.append(File.generated(config, page, content=text))
    linked = {
        target(path, match[1])
        for path in sources()
        for match in LINK.finditer((ROOT / path).read_text(encoding="utf-8"))
    }
    for path in sorted(linked):
        if _place(path).startswith("files/") and (ROOT / path).is_file():
            files.append(File.generated(config, _place(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to where their files are on the site."""
    uri = page.file.src_uri
    here, folder = source(uri), posixpath.dirname(uri)

    def moved(match: Any) -> str:
        link, anchor = match[1], match[2] or ""
        if link:
            link = posixpath.relpath(_place(target(here, link)), folder or ".")
        return f"]({link}{anchor})"

    return LINK.sub(moved, markdown)


def _place(path: str) -> str:
    """Return where a file of the repository lies on the site."""
    for page, top in AT_THE_TOP.items():
        if path == top:
            return page
    return path.removeprefix("docs/") if path.startswith("docs/") else f"files/{path}"
