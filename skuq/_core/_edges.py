"""Edges of bins over [0, 1], down to the last bit.

Packages that say "ten equal bins" disagree about a score of 0.3: it depends on the
closed side of a bin and on how the edge 3/10 was computed.  The styles here give the
edges of each package; "exact" is k / n rounded once, the default.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np

CLOSED = ("right", "left", "left-overflow", "right-underflow")
EDGE_STYLES = ("exact", "numpy", "torch", "division")


@lru_cache(maxsize=64)
def uniform_edges(n_bins: int, closed: str, style: str, dtype: str) -> np.ndarray:
    """Edges of `n_bins` bins of equal width in precision `dtype`; do not modify.

    "left-overflow" adds a bin for 1 itself, "right-underflow" one for 0 itself.
    """
    edges = _STYLES[style](n_bins, np.dtype(dtype).type)
    width = np.array([1 / n_bins])
    if closed == "left-overflow":
        edges = np.concatenate([edges, 1 + width])
    elif closed == "right-underflow":
        edges = np.concatenate([-width, edges])
    edges = edges.astype(dtype)
    edges.flags.writeable = False
    return edges


def _exact(n: int, _: type) -> np.ndarray:
    return np.arange(n + 1) / n


def _numpy(n: int, _: type) -> np.ndarray:
    return np.linspace(0, 1, n + 1)


def _torch(n: int, scalar: type) -> np.ndarray:
    """As torch.linspace: from both ends, rounded once each (fused multiply-add)."""
    step = Fraction(float(scalar(1) / scalar(n)))
    edges = [step * k if k < (n + 1) // 2 else 1 - step * (n - k) for k in range(n + 1)]
    return np.array([float(edge) for edge in edges])  # exact where scalar is float32


def _division(n: int, _: type) -> np.ndarray:
    """Edges for which bin ``int(p / (1 / n))`` is [lo, hi)."""
    edges = np.arange(n + 1) / n
    for k in range(n + 1):
        while int(edges[k] / (1 / n)) < k:
            edges[k] = np.nextafter(edges[k], 2)
    return edges


_STYLES = {"exact": _exact, "numpy": _numpy, "torch": _torch, "division": _division}
