"""The ablations of docs/ablations.md: measure, train, draw and write.

python experiments/ablations.py curves                  selectors over K
python experiments/ablations.py thresholds              adaptive budgets
python experiments/ablations.py train --start WEIGHTS   short runs, into runs/ablations/
python experiments/ablations.py measure                 what they reach
python experiments/ablations.py write                   tables and plots in docs/

Figures go to results/: curves.json, thresholds.json, ablations.json.
"""

import argparse
import json
from pathlib import Path

import torch
from ablation_curves import fixed_curve, selector_curves, threshold_curve
from ablation_report import report
from ablation_runs import SPARSITIES, STEPS, VARIANTS, measure, train, trained
from evidence import ROOT, SETS, Images, Model, read, say, write

from pdn_ros.network import PatchDriveNet
from pdn_ros.network.checkpoint import read_checkpoint

RUNS = ROOT / "runs" / "ablations"
FIXED = (0.02, 0.05, 0.10, 0.15, 0.25, 0.40, 0.50)


def curves(options: argparse.Namespace) -> None:
    """Measure the selectors, set by set."""
    model = Model(PatchDriveNet.load(options.weights), options.backend)
    for name in options.sets:
        found = selector_curves(model, Images(name, model.classes, options.limit))
        write("curves", {**read("curves"), name: found})


def thresholds(options: argparse.Namespace) -> None:
    """Measure adaptive budgets: the shipped weights, and runs with and without the loss."""
    models = {"shipped": Model(PatchDriveNet.load(options.weights), "torch")}
    runs = dict(trained(options.runs))
    models |= {
        f"lambda {value:g}": runs[name] for value, name in SPARSITIES.items() if name in runs
    }
    record = read("thresholds")
    for name in options.sets:
        record[name] = {}
        for title, model in models.items():
            images = Images(name, model.classes, options.limit)
            record[name][title] = {
                "threshold": threshold_curve(model, images),
                "fixed": fixed_curve(model, images, FIXED),
            }
        write("thresholds", record)


def measured(options: argparse.Namespace) -> None:
    """Measure the trained variants."""
    record = read("ablations")
    for name, model in trained(options.runs):
        if name not in options.variants:
            continue
        training = json.loads(read_checkpoint(options.runs / f"{name}.safetensors").training)
        record[name] = {"steps": training["stages"][0]["steps"]}
        for set_name in options.sets:
            images = Images(set_name, model.classes, options.limit)
            record[name][set_name] = measure(model, images)
        say(name, record[name])
        write("ablations", record)


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = ("curves", "thresholds", "train", "measure", "write")
    parser.add_argument("command", choices=commands)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--limit", type=int, default=0, help="images of each set, evenly picked")
    parser.add_argument("--weights", type=Path, help="none: those that ship")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the trained variants")
    parser.add_argument("--start", type=Path, help="weights that the training starts from")
    parser.add_argument("--data", type=Path, default=ROOT / "config/training/street.yaml")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    match options.command:
        case "curves":
            curves(options)
        case "thresholds":
            thresholds(options)
        case "train":
            train(options.start, options.data, options.runs, options.variants, options.steps)
        case "measure":
            measured(options)
        case _:
            report()


if __name__ == "__main__":
    main()
