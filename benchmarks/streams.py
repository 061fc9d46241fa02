"""Temperature scaling on more values than fit into memory, read from ``.npy`` tiles.

Run ``python -m benchmarks.streams [--values N] [--data FILE.npy]``. One tile of float32
logits lies on the disk and is read again and again through a memory map until N values
have passed; every pass of the fit opens it anew. The fit in memory, of the same tile
repeated, is timed afterwards, so that the highest memory is that of the stream alone.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._data import blocks, make_logits
from benchmarks._timing import print_columns, print_setting

PACKAGES = ("numpy", "scipy", "scikit-learn")
TILE = (1_000_000, 10)
ROWS = 100_000  # of a batch
MOST_IN_MEMORY = 100_000_000  # values
BYTES_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024


def save_tile(folder, data):
    """Paths of the logits and the labels of a tile; labels follow softmax(z / 2)."""
    paths = Path(folder, "logits.npy"), Path(folder, "labels.npy")
    if data is None:
        logits, labels = make_logits(*TILE)
        np.save(paths[0], logits)
        np.save(paths[1], labels)
        return paths
    logits, rng = np.load(data, mmap_mode="r"), np.random.default_rng(0)
    labels = np.empty(len(logits), dtype=np.int64)
    for rows in blocks(len(logits)):
        z = logits[rows] / 2
        labels[rows] = np.argmax(z + rng.gumbel(size=z.shape), axis=1)
    np.save(paths[1], labels)
    return Path(data), paths[1]


def read(paths, n_values):
    """Batches of the tile until `n_values` have passed."""
    while n_values > 0:
        logits, labels = (np.load(path, mmap_mode="r") for path in paths)
        for start in range(0, len(logits), ROWS):
            rows = min(ROWS, len(logits) - start, -(-n_values // logits.shape[1]))
            if rows <= 0:
                return
            yield logits[start : start + rows], labels[start : start + rows]
            n_values -= rows * logits.shape[1]


def peak_memory():
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_OF_MAXRSS


def timed(fit):
    """The fitted scaler and the seconds it took."""
    start = time.perf_counter()
    scaler = fit()
    return scaler, time.perf_counter() - start


def in_memory(paths, n_values):
    """Logits and labels of `n_values`, filled batch by batch."""
    n_columns = np.load(paths[0], mmap_mode="r").shape[1]
    n_rows, first = -(-n_values // n_columns), 0
    logits = np.empty((n_rows, n_columns), dtype=np.float32)
    labels = np.empty(n_rows, dtype=np.int64)
    for z, y in read(paths, n_values):
        logits[first : first + len(z)], labels[first : first + len(z)] = z, y
        first += len(z)
    return logits, labels


def row(name, n_values, scaler, seconds, memory):
    """One line of the table."""
    return (
        name,
        f"{n_values:.3g}",
        f"{seconds:.2f}",
        f"{1e9 * seconds / n_values:.2f}",
        memory,
        f"T = {scaler.temperature_:.6f} in {scaler.n_iter_} passes",
    )


def main():
    """Print the figures of the stream and of the fit in memory."""
    from skuq.calibration import TemperatureScaler

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=float, default=2e8, help="number of logits")
    parser.add_argument("--data", help="logits (n, n_classes) to be the tile, .npy")
    options = parser.parse_args()
    n_values = int(options.values)
    print_setting(PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        paths = save_tile(folder, options.data)
        scaler = TemperatureScaler()
        TemperatureScaler().fit_batches(lambda: read(paths, 10**6))  # imports, caches
        stream = timed(lambda: scaler.fit_batches(lambda: read(paths, n_values)))
        peak = f"{peak_memory() / 1e6:.0f} MB"
        some = min(n_values, MOST_IN_MEMORY)
        logits, labels = in_memory(paths, some)
        memory = timed(lambda: TemperatureScaler().fit(logits, labels))
    print_columns(
        [
            ("fit", "values", "seconds", "ns per value", "peak memory", "result"),
            row("fit_batches", n_values, *stream, peak),
            row("fit", some, *memory, "-"),
        ]
    )


if __name__ == "__main__":
    main()
