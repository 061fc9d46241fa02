"""Every calibrator of skuq on real classifiers, ranked together with its peers.

Run ``python -m benchmarks.arena --data FOLDER [--cases b_,m_] [--calibrators NAME,...]
[--json FILE]``. The folder holds ``CASE.npz`` with ``cal_proba``, ``cal_label``,
``test_proba``, ``test_label`` and perhaps ``cal_logits``, ``test_logits``, as well as
``reference.csv``, the results of the peers, which need not be installed. Calibrators
are fitted on ``cal`` and scored once on ``test``.

There are two contests: on probabilities, and on the logits of the cases that have any.
The peers' results are the same in both; those whose name ends in "-logits" took logits.
Ties share their mean rank, failures share the last places. A peer without a row for a
case (see "cases") is not ranked there.
"""

import argparse
import json
import sys

from benchmarks._arena_runs import NoCalibrator, load_cases, load_peers, run
from benchmarks._arena_tables import (
    make_contest,
    print_best,
    print_incidents,
    print_ranks,
    print_same_methods,
)
from benchmarks._timing import print_setting

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")
INPUTS = {"proba": "probabilities", "logit": "logits"}
TASKS = ("binary", "multiclass")


def entrants(wanted):
    """The calibrators to run by name, and "none"."""
    from skuq._discovery import all_calibrators

    found = {"none": NoCalibrator, **all_calibrators()}
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        sys.exit(f"no calibrators {unknown}, there are {sorted(found)}")
    return {name: found[name] for name in wanted} or found


def run_all(cases, calibrators):
    """Rows of every calibrator on every case and input."""
    rows = []
    for case in cases:
        for kind in case.scores:
            rows += [run(name, c, case, kind) for name, c in calibrators.items()]
        seconds = sum(
            row["fit_seconds"] + row["predict_seconds"]
            for row in rows
            if row["case"] == case.name and row["status"] == "ok"
        )
        print(f"{case.name}: {seconds:.1f} s", file=sys.stderr)
    return rows


def print_contest(title, rows, peers):
    contest, cases = make_contest(rows, peers)
    unseen = sorted({row["case"] for row in rows} - set(cases))
    print(f"\n{title}, {len(cases)} cases, {len(contest)} methods")
    if unseen:
        print(f"left out, no results of peers: {', '.join(unseen)}")
    order = print_ranks(contest, cases)
    print_best(contest, order)
    print_same_methods(contest)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of cases; without it, nothing is run")
    parser.add_argument("--cases", default="", help="beginnings of names: b_,m_mnist")
    parser.add_argument("--calibrators", default="", help="names: BetaCalibrator,none")
    parser.add_argument("--json", help="file for all rows of skuq")
    options = parser.parse_args()
    if not options.data:
        print("no data: name a folder of cases with --data")
        return
    wanted = [name for name in options.calibrators.split(",") if name]
    print_setting(PACKAGES)
    cases = load_cases(options.data, options.cases.split(","))
    rows, peers = run_all(cases, entrants(wanted)), load_peers(options.data)
    if not rows:
        sys.exit(f"no cases {options.cases!r} in {options.data}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1, default=float)
    for kind, title in INPUTS.items():
        for task in TASKS:
            chosen = [r for r in rows if (r["task"], r["input"]) == (task, kind)]
            if chosen:
                print_contest(f"{task}, {title}", chosen, peers)
    print_incidents(rows)


if __name__ == "__main__":
    main()
