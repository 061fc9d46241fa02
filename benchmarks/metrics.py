"""Every metric of skuq beside its peers: seconds, extra memory and the value reached.

Run ``python -m benchmarks.metrics [--quick] [--case NAME] [--row TEXT]``. Each row is a
race on the same arrays; a summary of the fastest peers follows. The input is all arrays
that the metric takes. Tensors, tables made of images and labels counted from 1 are made
beforehand for the packages that want them; the largest probability and whether it is
right are found within the measured call.

The values may differ where definitions do (``tests/references`` holds them): which side
of a bin is closed, a trapezoid in place of a mean, draws in place of a formula.
"""

import argparse
from dataclasses import dataclass

from benchmarks import (
    _metric_binned,
    _metric_images,
    _metric_regression,
    _metric_scores,
    _metric_unbinned,
)
from benchmarks._metric_data import CASES
from benchmarks._metric_rows import numbers
from benchmarks._timing import (
    SMALL,
    Outcome,
    print_columns,
    print_setting,
    print_table,
    race,
)

PACKAGES = (
    "numpy",
    "torch",
    "scikit-learn",
    "torchmetrics",
    "netcal",
    "uncertainty-calibration",
    "MAPIE",
    "relplot",
    "probcal",
    "probmetrics",
    "torch-uncertainty",
    "model-diagnostics",
    "scoringrules",
    "properscoring",
    "uncertainty-toolbox",
    "numba",
)
TOPICS = (
    _metric_binned,
    _metric_unbinned,
    _metric_scores,
    _metric_regression,
    _metric_images,
)
REPEATS = {"images": 3, "overlap": 3}
MEMORY = 1.3  # of the input; more extra memory than that is marked


@dataclass(frozen=True)
class Verdict:
    """How skuq did in one row; ``marks`` says where it lost."""

    title: str
    seconds: float | None
    peer: str
    peer_seconds: float | None
    memory: float | None
    others: float | None
    marks: tuple[str, ...]

    def cells(self):
        def number(value, form):
            return "-" if value is None else form.format(value)

        ratio = None
        if self.seconds and self.peer_seconds:
            ratio = self.peer_seconds / self.seconds
        return (
            self.title,
            number(self.seconds, "{:.3g}"),
            self.peer,
            number(self.peer_seconds, "{:.3g}"),
            number(ratio, "{:.2f}"),
            number(self.memory, "{:.2f}"),
            number(self.others, "{:.0%}"),
            ", ".join(self.marks),
        )


def run(row, case, arrays, repeats):
    """Race one row and print its table; the verdict on it."""
    if row.most is not None:
        arrays = tuple(array[: row.most] for array in arrays)
    title = f"{row.name}, {case}, {len(arrays[0]):,}"
    calls = {
        name: lambda make=make: make(*arrays) for name, make in row.entrants.items()
    }
    input_bytes = sum(array.nbytes for array in arrays)
    own = ("skuq",) if row.numpy_only else ()
    finished = race(calls, repeats=repeats, numpy_only=own)
    print_table(title, finished, input_bytes=input_bytes, quality=shown)
    return verdict(row, title, finished, input_bytes)


def shown(result):
    """The first few numbers of a result."""
    values = numbers(result)
    text = ", ".join(f"{value:.6g}" for value in values[:4])
    return text + (", ..." if len(values) > 4 else "")


def verdict(row, title, finished, input_bytes):
    own, *others = finished.outcomes
    if own.seconds is None:
        return Verdict(title, None, "-", None, None, finished.others, (own.note,))
    memory = own.extra_bytes / input_bytes if input_bytes >= SMALL else None
    peers = [peer for peer in others if peer.seconds is not None]
    best = min(peers, key=lambda peer: peer.seconds, default=Outcome("-"))
    conditions = {
        "NO PEER": not peers,
        "SLOWER": bool(peers) and own.seconds >= row.allowed * best.seconds,
        "MEMORY": memory is not None and memory > MEMORY,
    }
    marks = tuple(mark for mark, holds in conditions.items() if holds)
    return Verdict(
        title, own.seconds, best.name, best.seconds, memory, finished.others, marks
    )


def print_summary(verdicts):
    header = (
        "row, case, samples",
        "skuq s",
        "fastest peer",
        "peer s",
        "peer / skuq",
        "extra / input",
        "others",
        "lost",
    )
    print(
        "\nSummary. peer / skuq: how many times skuq is faster. others: their share of"
    )
    print("the machine. SLOWER: a peer is as fast or faster. MEMORY: more extra memory")
    print(f"than {MEMORY} of the input.")
    print_columns([header, *(each.cells() for each in verdicts)])
    lost = sum(bool(each.marks) for each in verdicts)
    print(f"{len(verdicts)} rows, {lost} marked")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small arrays, two rounds")
    parser.add_argument("--case", choices=CASES, help="these arrays only")
    parser.add_argument(
        "--row", default="", help="rows whose name holds this text only"
    )
    options = parser.parse_args()
    print_setting(PACKAGES)
    verdicts = []
    for case in [options.case] if options.case else CASES:
        rows = [row for topic in TOPICS for row in topic.ROWS.get(case, [])]
        rows = [row for row in rows if options.row in row.name]
        make, full, quick = CASES[case]
        arrays = make(quick if options.quick else full) if rows else ()
        repeats = 2 if options.quick else REPEATS.get(case, 5)
        verdicts += [run(row, case, arrays, repeats) for row in rows]
    print_summary(verdicts)


if __name__ == "__main__":
    main()
