"""`pdn labels`: labels from labeling tools and to them, and a page that checks them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.common import Config, Weights, progress, words
from pdn_ros.cli.interrupt import held_back

app = typer.Typer(
    help="Labels of labeling tools: import, export, check.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FORMATS = "colors, voc, coco, cvat, labelstudio, labelme or cityscapes"
Format = Annotated[str, typer.Argument(metavar="FORMAT", help=FORMATS + ".")]

Labels = Annotated[str, typer.Option(metavar="NAME", help="Which labels: a folder in DIR.")]


@app.callback()
def labels() -> None:
    """Labels of labeling tools: import, export, check."""


@app.command("import")
def import_(
    kind: Format,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File or folder of the labels.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The data set to make.")],
    classes: Annotated[
        str,
        typer.Option(
            metavar="YAML", help="Class file, or the name of one that ships; default: as found."
        ),
    ] = "",
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the images; default: found below or beside PATH."
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Names of mask colors: labelmap.txt, or a name and R,G,B in every line.",
        ),
    ] = None,
    void: Annotated[
        str,
        typer.Option(metavar="NAME,...", help="Classes or colors (#rrggbb) that become void."),
    ] = "",
    config: Config = None,
) -> None:
    """Make a data set for `pdn train` from labels: images/, labels/, classes.yaml.

    Example: pdn labels import colors field/masks --out field_set
    """
    del config
    with held_back():
        from pdn_ros.labels.importing import import_labels

    with progress("import") as report:
        made = import_labels(
            kind,
            path,
            out,
            classes=classes,
            images=images,
            table=table,
            void=words(void),
            report=report,
        )
    for note in made.notes:
        print(f"pdn: warning: {note}", file=sys.stderr)
    names = [*made.classes.names, "void"]
    shares = ", ".join(f"{n} {s:.1%}" for n, s in zip(names, made.shares, strict=True) if s)
    print(f"{made.images} images: {shares}")
    if made.made:
        print(f"classes as found: see that names and roles in {out / 'classes.yaml'} are right")
    print(out)


@app.command()
def export(
    kind: Format,
    path: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `labels import` or `frames` has made.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The folder to make.")],
    labels: Labels = "labels",
    tolerance: Annotated[
        float,
        typer.Option(
            min=0, help="Polygons: how far a simplified outline may be off, pixels; 0: exact."
        ),
    ] = 1.0,
    config: Config = None,
) -> None:
    """Write labels for a labeling tool, with their images.

    Example: pdn labels export cvat frames --labels proposals --out for_cvat
    """
    del config
    with held_back():
        from pdn_ros.labels.exporting import export_labels

    number = export_labels(kind, path, out, labels=labels, tolerance=tolerance)
    print(f"{number} labels: {out}")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="What `labels import` has made.")],
    *,
    labels: Labels = "labels",
    weights: Weights = "",
    config: Config = None,
) -> None:
    """Show image, label and mask side by side, and what looks wrong: DIR/check.html.

    The exit status is 1 if something looks wrong.

    Example: pdn labels check field_set
    """
    del config
    with held_back():
        from pdn_ros.labels.check import inspect
        from pdn_ros.labels.folder import open_folder
        from pdn_ros.labels.page import write_check

    data = open_folder(path, labels)
    with progress("check") as report:
        found = inspect(data, weights, report)
    write_check(path / "check.html", found)
    for kind, lines in found.problems.items():
        more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
        print(f"pdn: warning: {kind}: {lines[0]}{more}", file=sys.stderr)
    print(path / "check.html")
    if found.problems:
        raise typer.Exit(1)
