"""The pages: their links, the navigation of the site, and what is made from the code."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "support"))
    monkeypatch.delitem(sys.modules, "pages", raising=False)
    return importlib.import_module("pages")


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "support"))
    return importlib.import_module("reference")


def test_our_links_lead_somewhere_and_every_page_is_listed(pages: ModuleType) -> None:
    assert list(pages.problems()) == []


def test_what_leads_nowhere_is_named(
    pages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    for name in ("CONTRIBUTING.md", "SECURITY.md", "x.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "README.md").write_text(
        "# One\n[a](docs/a.md#two--half) [b](docs/b.md)\n\n[c](docs/a.md#no) [out](https://x/y.md)\n"
        "```\n[code](nowhere.md)\n```\n[self](#one)\n[self](#two)\n"
    )
    (tmp_path / "docs" / "a.md").write_text("## `Two` & *half*\n[x](../x.yaml) ![](no.png)\n")
    (tmp_path / "docs" / "deep" / "c.md").write_text("[a](../a.md) [r](../../README.md#one)\n")
    (tmp_path / "mkdocs.yml").write_text(
        "nav: [index.md, contributing.md, {More: [reporting.md, a.md, gone.md, topics.md]}]\n"
    )
    assert list(pages.problems()) == [
        "README.md:2: there is no docs/b.md",
        "README.md:4: docs/a.md has no heading #no",
        "README.md:9: this page has no heading #two",
        "docs/a.md:2: there is no no.png",
        "mkdocs.yml: does not list docs/deep/c.md",
        "mkdocs.yml: there is no gone.md",
    ]


def test_the_reference_has_every_command(reference: ModuleType) -> None:
    page = reference.commands()
    for words in ("## pdn evaluate", "## pdn convert nuscenes", "--fail-on-regression"):
        assert words in page
    assert max(map(len, page.splitlines())) <= 100


def test_the_reference_has_every_topic_and_message(reference: ModuleType) -> None:
    pytest.importorskip("rclpy", reason="no ROS in this shell: . ./env.sh")
    page = reference.topics()
    occupancy = "| `~/occupancy` | `nav_msgs/OccupancyGrid` | reliable | transient local | 1 |"
    assert occupancy in page
    assert "| `~/prior` | `pdn_ros/PatchPrior` |" in page
    for path in (ROOT / "msg").glob("*.msg"):
        assert f"### pdn_ros/{path.stem}\n" in page
