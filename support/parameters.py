"""Write config/*.yaml of the nodes and docs/parameters.md from the configuration's definition."""

import sys
from pathlib import Path

from pdn_ros.config import to_markdown, to_ros_yaml
from pdn_ros.perception.config import LidarProjectionConfig, PerceptionConfig

ROOT = Path(__file__).resolve().parent.parent
NODES = {"perception": PerceptionConfig, "lidar_projection": LidarProjectionConfig}


def files() -> dict[Path, str]:
    """Return the files and what they should hold."""
    found = {
        ROOT / "config" / f"{name}.yaml": to_ros_yaml(kind, f"Parameters of the {name} node")
        for name, kind in NODES.items()
    }
    page = [
        "# Parameters\n\n",
        "Made by `python support/parameters.py` from `pdn_ros/perception/config.py`.\n",
        "`live` ones may change while a node runs, the others only while it is unconfigured.\n",
    ]
    for name, kind in NODES.items():
        page.append(f"\n## {name}\n\n{to_markdown(kind)}")
    found[ROOT / "docs" / "parameters.md"] = "".join(page)
    return found


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
