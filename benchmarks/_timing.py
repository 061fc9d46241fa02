"""A fair race on the same arrays in one process, and the table of its results.

Every entrant runs once unmeasured; then the rounds go through all entrants in turn, so
that a slow spell of the machine hits them all; the median counts. Peak memory is taken
in a run of its own. Nobody's thread settings are touched.
"""

import ctypes
import gc
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SLOW = 10.0  # seconds; an entrant whose first run took longer is timed by that run
SMALL = 2**20  # bytes; against a smaller input, pages and thread stacks drown the rest
CLEAR_REFS = Path("/proc/self/clear_refs")
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Outcome:
    """What one entrant did; ``note`` says why there is no result."""

    name: str
    result: object = None
    seconds: float | None = None
    n_runs: int = 0
    extra_bytes: int | None = None
    note: str = ""


def race(entrants, *, repeats):
    """Run all entrants side by side.

    ``entrants`` maps a name to a factory. The factory imports the peer and converts
    the arrays, unmeasured, and returns the call to be measured.
    """
    calls, outcomes = {}, {}
    for name, make in entrants.items():
        calls[name], outcomes[name] = _warm_up(name, make)
    rounds = {name: [] for name in entrants}
    for _ in range(repeats):
        for name, outcome in outcomes.items():
            if not outcome.note and outcome.seconds < SLOW:
                rounds[name].append(_timed(calls[name])[0])
    for name, outcome in outcomes.items():
        if outcome.note:
            continue
        if rounds[name]:
            outcome.seconds = statistics.median(rounds[name])
            outcome.n_runs = len(rounds[name])
        outcome.extra_bytes = peak_extra_bytes(calls[name])
    return list(outcomes.values())


def _warm_up(name, make):
    """Prepare and run an entrant once: (call, Outcome)."""
    try:
        call = make()
        seconds, result = _timed(call)
    except ModuleNotFoundError as error:
        return None, Outcome(name, note=f"not installed: no module {error.name}")
    except Exception as error:  # a peer that fails is a result, not the end of the race
        reason = str(error).splitlines()[0] if str(error) else ""
        return None, Outcome(name, note=f"failed: {type(error).__name__}: {reason}")
    return call, Outcome(name, result, seconds, n_runs=1)


def _timed(call):
    gc.collect()
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def peak_extra_bytes(call):
    """Highest memory during the call above that before it.

    On Linux the resident size, which sees every allocator; elsewhere tracemalloc, which
    sees numpy but not torch.
    """
    gc.collect()
    if not CLEAR_REFS.exists():
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak
    # Memory freed earlier but not yet given back would hide what the call takes.
    ctypes.CDLL(None).malloc_trim(0)
    CLEAR_REFS.write_text("5")  # sets the high-water mark to the present size
    before = _status_bytes("VmHWM")
    call()
    return _status_bytes("VmHWM") - before


def _status_bytes(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


# ------------------------------------------------------------------------ table


def print_table(title, outcomes, *, input_bytes, quality: Callable[[object], str]):
    """Print one race; the first outcome is what the others are compared with."""
    unit = "of the input" if CLEAR_REFS.exists() else "of the input, numpy only"
    header = ("package", "seconds", "x skuq", f"extra memory, % {unit}", "quality")
    first = outcomes[0].seconds
    rows = [_cells(outcome, first, input_bytes, quality) for outcome in outcomes]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in (header, *rows):
        print("  " + "  ".join(map(str.ljust, row, widths)).rstrip(), flush=True)


def _cells(outcome, first, input_bytes, quality):
    if outcome.note:
        return (outcome.name, "-", "-", "-", outcome.note)
    seconds = f"{outcome.seconds:.3g}" + (" (1 run)" if outcome.n_runs == 1 else "")
    ratio = f"{outcome.seconds / first:.2f}" if first else "-"
    share = f"{100 * outcome.extra_bytes / input_bytes:.1f}"
    memory = share if input_bytes >= SMALL else "-"
    return (outcome.name, seconds, ratio, memory, quality(outcome.result))


def print_setting(packages):
    """Print what the numbers depend on: versions, cores, thread variables."""
    print(", ".join(f"{package} {_version(package)}" for package in packages))
    settings = [f"{s}={os.environ[s]}" for s in THREAD_SETTINGS if s in os.environ]
    print(f"{os.cpu_count()} cores; {', '.join(settings) or 'default threads'}")


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
