"""Regression with uncertainty on the UCI sets, beside the figures of the papers.

Run it with::

    python -m benchmarks.uci --method ensemble --data DIR [--sets NAME ...] [--splits N]
                             [--seeds N]

``DIR/uci/NAME.npz`` holds a set and its official splits.  A line for each set gives the
mean and the standard deviation over the splits, each of them trained with so many
seeds, and what the paper printed.  Methods are the modules of
``benchmarks/uci_methods``.
"""

import argparse
import importlib
import pkgutil
import time
from pathlib import Path

import numpy as np

from benchmarks import uci_methods
from benchmarks._timing import print_setting
from benchmarks._uci import SETS, load_splits

NAMES = [module.name for module in pkgutil.iter_modules(uci_methods.__path__)]
METHODS = [name for name in NAMES if not name.startswith("_")]


def main():
    """Run one method on the sets that were asked for."""
    options = parse()
    method = importlib.import_module(f"benchmarks.uci_methods.{options.method}")
    print_setting(("torch", "skorch", "scikit-learn", "numpy"))
    print(f"{options.method}; paper: {method.SOURCE}", flush=True)
    for name in options.sets or available(options.data):
        report(method, name, options)


def report(method, name, options):
    """Print the line of one set."""
    start = time.perf_counter()
    splits = load_splits(options.data, name, options.splits, options.seeds)
    scores = [method.score(split) for split in splits]
    seconds = time.perf_counter() - start
    cells = [
        cell(key, [s[key] for s in scores], method.PAPER.get(name, {}).get(key))
        for key in scores[0]
    ]
    rest = f"{len(scores)} trainings  {seconds:.0f} s"
    print(f"{name:9s} {'  '.join(cells)}  {rest}", flush=True)


def cell(key, values, paper):
    """Mean and standard deviation over the splits, beside the paper's."""
    text = f"{key} {np.mean(values):.4g} ± {np.std(values):.2g}"
    return text if paper is None else f"{text} (paper {paper[0]:.4g} ± {paper[1]:.2g})"


def available(folder):
    """The sets that are there."""
    return [name for name in SETS if Path(folder, "uci", f"{name}.npz").exists()]


def parse():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument("--data", required=True, help="folder that holds uci/NAME.npz")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="default: all there")
    parser.add_argument("--splits", type=int, metavar="N", help="default: all")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of a split")
    return parser.parse_args()


if __name__ == "__main__":
    main()
