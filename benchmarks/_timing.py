"""A fair race on the same arrays in one process, and the table of its results.

Every entrant runs once unmeasured; then the rounds go through all entrants, so that a
slow spell of the machine hits them all, each in a new order, for who comes after one
that has filled the memory has to ask for it again; the median counts. Peak memory is
taken in a run of its own. Nobody's thread settings are touched. The table says how much
of the machine other processes took: threads that wait for one another (OpenMP) can be
many times slower when one of them has lost its core, so such a race is to be repeated.
All threads share one arena of memory, which takes no time that was seen.
"""

import ctypes
import gc
import os
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SLOW = 10.0  # seconds; an entrant whose first run took longer is timed once
SMALL = 2**20  # bytes; against a smaller input, pages and thread stacks drown the rest
M_ARENA_MAX = -8  # a name of mallopt in glibc
CLEAR_REFS = Path("/proc/self/clear_refs")
CPU_TIMES = Path("/proc/stat")
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


@dataclass
class Race:
    """The outcomes, and the share of the machine that other processes took."""

    outcomes: list[Outcome]
    others: float | None


def race(entrants, *, repeats, numpy_only=()):
    """Run all entrants side by side.

    ``entrants`` maps a name to a factory. The factory imports the peer and converts
    the arrays, unmeasured, and returns the call to be measured. ``numpy_only`` names
    those that take no memory but by numpy.
    """
    if CLEAR_REFS.exists():
        # The arena of a thread keeps what was freed, which would hide what comes next.
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    start = _cpu_times()
    prepared = [_warm_up(name, make) for name, make in entrants.items()]
    running = [(call, outcome) for call, outcome in prepared if not outcome.note]
    rounds = {outcome.name: [] for _, outcome in running}
    for i in range(repeats):
        for call, outcome in random.Random(i).sample(running, len(running)):
            if i == 0 or outcome.seconds < SLOW:
                rounds[outcome.name].append(_timed(call)[0])
    for call, outcome in running:
        outcome.seconds = statistics.median(rounds[outcome.name])
        outcome.n_runs = len(rounds[outcome.name])
        outcome.extra_bytes = peak_extra_bytes(
            call, numpy_only=outcome.name in numpy_only
        )
    return Race([outcome for _, outcome in prepared], _share_of_others(start))


def _warm_up(name, make):
    """Prepare and run an entrant once: (call, Outcome)."""
    try:
        call = make()
        seconds, result = _timed(call)
    except ModuleNotFoundError as error:
        return None, Outcome(name, note=f"not installed: {error}")
    except Exception as error:  # a peer that fails is a result, not the end of the race
        reason = str(error).splitlines()[0] if str(error) else ""
        return None, Outcome(name, note=f"failed: {type(error).__name__}: {reason}")
    return call, Outcome(name, result, seconds)


def _timed(call):
    gc.collect()
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _cpu_times():
    """Seconds the machine was busy, seconds of this process, seconds on the clock."""
    own, clock = time.process_time(), time.perf_counter()
    if not CPU_TIMES.exists():
        return None, own, clock
    # user nice system idle iowait irq softirq steal; idle and iowait are not busy.
    fields = [int(ticks) for ticks in CPU_TIMES.read_text().split()[1:9]]
    busy = sum(fields) - fields[3] - fields[4]
    return busy / os.sysconf("SC_CLK_TCK"), own, clock


def _share_of_others(start):
    now = _cpu_times()
    if now[0] is None:
        return None
    busy, own, clock = (
        after - before for after, before in zip(now, start, strict=True)
    )
    return max(0.0, busy - own) / (clock * os.cpu_count())


def peak_extra_bytes(call, *, numpy_only=False):
    """Highest memory during the call above that before it.

    On Linux the resident size, which sees every allocator, and what a process that has
    run for a while scatters and gives back late; so for a call that is `numpy_only`
    what is asked for, if that is less.  Elsewhere what numpy asks for.
    """
    gc.collect()
    if not CLEAR_REFS.exists():
        return traced_bytes(call)
    # Memory freed earlier but not yet given back would hide what the call takes.
    ctypes.CDLL(None).malloc_trim(0)
    CLEAR_REFS.write_text("5")  # sets the high-water mark to the present size
    before = _status_bytes("VmHWM")
    call()
    resident = _status_bytes("VmHWM") - before
    return min(resident, traced_bytes(call)) if numpy_only else resident


def traced_bytes(call):
    """Highest memory during the call that Python and numpy ask for; torch is unseen."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _status_bytes(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


# ------------------------------------------------------------------------ table


def print_table(title, race, *, input_bytes, quality: Callable[[object], str]):
    """Print one race; the first entrant is what the others are compared with."""
    unit = "of the input" if CLEAR_REFS.exists() else "of the input, numpy only"
    header = ("package", "seconds", "x skuq", f"extra memory, % {unit}", "quality")
    first = race.outcomes[0].seconds
    rows = [_cells(outcome, first, input_bytes, quality) for outcome in race.outcomes]
    others = "unknown" if race.others is None else f"{100 * race.others:.0f} %"
    print(f"\n{title} (other processes: {others} of the machine)")
    print_columns([header, *rows])


def print_columns(rows):
    """Print rows of text as columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
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
