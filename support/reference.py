"""Pages of the site that are made from the code, as JSON: topics.md and commands.md."""

import importlib
import json
import os
import sys
from pathlib import Path

import typer

ROOT = Path(__file__).resolve().parent.parent
NODES = {
    "perception": "pdn_ros.ros.publishers",
    "lidar_projection": "pdn_ros.ros.lidar_projection_node",
}


def commands() -> str:
    """Return the help of every command."""
    from pdn_ros.cli.app import build

    parts = ["# Commands\n\nWhat `--help` prints.\n"]
    pending = [("pdn", typer.main.get_command(build()))]
    while pending:
        name, command = pending.pop(0)
        context = command.context_class(command, info_name=name, terminal_width=100)
        parts.append(f"\n## {name}\n\n```text\n{command.get_help(context)}\n```\n")
        inner = getattr(command, "commands", {})
        pending += [(f"{name} {word}", inner[word]) for word in inner]
    return "".join(parts)


def topics() -> str:
    """Return what the nodes publish, and the messages of our own."""
    parts = [
        "# Topics\n\nWhat the nodes publish, each below the node's name (`~`). The ",
        "[first page](index.md#topics) says what they mean, what the nodes read and ",
        "which services they offer.\n",
    ]
    for node, module in NODES.items():
        parts.append(f"\n## {node}\n\n| topic | type | reliability | durability | depth |\n")
        parts.append("| --- | --- | --- | --- | --- |\n")
        for topic, (kind, qos) in importlib.import_module(module).TOPICS.items():
            package = kind.__module__.split(".")[0]
            words = (qos.reliability.name, qos.durability.name)
            reliability, durability = (word.lower().replace("_", " ") for word in words)
            parts.append(
                f"| `~/{topic}` | `{package}/{kind.__name__}` | {reliability} | {durability} "
                f"| {qos.depth} |\n"
            )
    parts.append("\n## Messages\n")
    parts += [
        f"\n### pdn_ros/{path.stem}\n\n```text\n{path.read_text().strip()}\n```\n"
        for path in sorted((ROOT / "msg").glob("*.msg"))
    ]
    return "".join(parts)


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    json.dump({"commands.md": commands(), "topics.md": topics()}, sys.stdout)
