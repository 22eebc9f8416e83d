"""The report: what stands in it, and that a browser opens it without a network."""

import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pdn_ros.classes import load_classes
from pdn_ros.page import drawing, photo
from pdn_ros.replay import report
from pdn_ros.replay.report import KeyFrame, write_report
from pdn_ros.replay.results import BoxMetrics, FrameRow, GridMetrics, Metrics, Quantiles

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
TITLE = 'drive <1> & "2"'


def key_frame(index: int, shade: int) -> KeyFrame:
    image = np.full((90, 160, 3), shade, dtype=np.uint8)
    cells = np.full((50, 50, 3), shade, dtype=np.uint8)
    views = dict.fromkeys(("camera", "mask", "saliency", "lidar"), photo(image))
    maps = dict.fromkeys(("fused", "truth"), drawing(cells))
    return KeyFrame(index, index / 10, views, maps, f"image {index} · 12.0 ms")


def write(path: Path, frames: list[KeyFrame], *, errors: bool = True) -> None:
    rows = [
        FrameRow(i, 10**18 + i * 10**8, latency_ms=math.nan if i == 3 else 20.0 + i, age_ms=21.0,
                 miou=0.5, error="image <truncated>" if errors and i == 3 else "")
        for i in range(30)
    ]  # fmt: skip
    metrics = Metrics(
        frames=30, rate_hz=9.9, dropped=0, failed=1, live=True,
        latency_ms=Quantiles.of([row.latency_ms for row in rows]), age_ms=Quantiles(21, 21, 21),
        miou=0.5, per_class_iou={"road": 0.9}, class_share={"road": 0.4},
        grid={"fused": GridMetrics(0.9, 0.6, 0.003, 1.0, 2.0, 0.1)},
        boxes=BoxMetrics(0.97, 0.98, 0.7, 0.4, 100, 30),
    )  # fmt: skip
    write_report(
        path, title=TITLE, metrics=metrics, rows=rows, frames=frames,
        classes=load_classes("street"), configuration={"mode": "patch"}, machine={"CPU": "x"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(path, [key_frame(i * 2, 40 * i) for i in range(5)])
    return path


class Tags(HTMLParser):
    """Collects tags with their attributes, and the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_it_stands_alone_and_is_well_formed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    for tag, attributes in tags.found:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:", "#")), (tag, value)
        if tag == "img":
            assert attributes["alt"]
            assert attributes["width"]
            assert attributes["height"]
    ids = [attributes["id"] for _, attributes in tags.found if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_text_of_users_is_escaped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "drive &lt;1&gt; &amp; &#34;2&#34;" in text
    assert "<truncated>" not in text


def test_it_shows_the_figures(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for figure in ("9.90 Hz", "0.30 %", "97.0 %", "40.0 % without the LiDAR prior"):
        assert figure in text


def test_frames_are_thinned_out_when_the_file_would_grow_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [key_frame(i, i) for i in range(40)]
    size = report._size(frames[0])
    monkeypatch.setattr(report, "_MAX_BYTES", 12 * size)
    write(tmp_path / "report.html", frames)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = re.search(r'id="frame" min="0" max="(\d+)"', text)
    assert found is not None
    assert int(found[1]) + 1 == 10  # every fourth


def test_without_pictures_and_truth_it_is_still_a_page(tmp_path: Path) -> None:
    write(tmp_path / "report.html", [], errors=False)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="drive"' not in text
    assert "Frames without a result" not in text


def in_browser(page: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--enable-logging=stderr", f"--user-data-dir={folder}", *flags,
         page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("size", ["390,844", "1600,1000"])
def test_a_browser_opens_it_and_the_scrubber_works(page: Path, tmp_path: Path, size: str) -> None:
    """A script added to the page steps through the frames and writes down what happened."""
    script = """
    <script>
      const seen = [], root = document.documentElement, slider = document.getElementById("frame");
      const press = key => document.body.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true }));
      const mask = document.getElementById("view-mask");
      const look = () => seen.push([root.dataset.frame, mask.src.length > 100]);
      look(); press("ArrowRight"); look(); press("ArrowLeft"); press("ArrowLeft"); look();
      slider.value = 4; slider.dispatchEvent(new Event("input")); look();
      press("ArrowRight"); look();
      document.querySelector(".strip button").click(); look();
      document.title = JSON.stringify([seen, root.scrollWidth <= root.clientWidth]);
      fetch("https://example.org/").catch(() => root.dataset.blocked = "yes");
    </script></body>"""
    changed = tmp_path / "report.html"
    changed.write_text(page.read_text(encoding="utf-8").replace("</body>", script))
    done = in_browser(
        changed, tmp_path / "profile", "--dump-dom", f"--window-size={size}",
        "--virtual-time-budget=2000",
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None, done.stderr
    steps = [["4", True], ["6", True], ["2", True], ["8", True], ["8", True], ["0", True]]
    expected = str([steps, True]).replace("'", '"').replace("True", "true").replace(" ", "")
    assert title[1].replace("&quot;", '"') == expected
    assert 'data-blocked="yes"' in done.stdout  # the page's policy forbids every request


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_console_stays_silent(page: Path, tmp_path: Path) -> None:
    done = in_browser(page, tmp_path / "profile", "--dump-dom", "--virtual-time-budget=2000")
    assert 'data-frame="4"' in done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr
