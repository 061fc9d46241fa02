"""The command ``skuq``."""

import argparse
import sys

from skuq._demo import run_demo
from skuq.exceptions import SkuqError

__all__ = ["main"]


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments without the program's name; None takes those of the process.

    Returns
    -------
    status : int
        0, or 2 after a message about what cannot be used.
    """
    args = _parser().parse_args(argv)
    try:
        run_demo(args.data, args.output, args.seed)
    except (SkuqError, OSError) as error:
        print("skuq:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="skuq", description="Probabilities that you can trust."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="calibrate, and see the difference",
        description=(
            "Calibrate over-confident models on data that ships with scikit-learn, or "
            "your own predictions, and print and draw the difference."
        ),
    )
    demo.add_argument(
        "--data",
        metavar="FILE",
        help=(
            "your own predictions: .npz, .csv or .parquet with labels and "
            "probabilities or logits; the first half calibrates, the second is scored"
        ),
    )
    demo.add_argument(
        "--output", metavar="PNG", default="skuq-demo.png", help="the picture to write"
    )
    demo.add_argument("--seed", type=_seed, default=0, help="seed of the resampling")
    return parser


def _seed(text):
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"a seed must be at least 0, got {seed}")
    return seed


if __name__ == "__main__":
    sys.exit(main())
