"""The state of a stack between two epochs, to go on from after a kill."""

import time

import numpy as np
import torch

SECONDS = 10.0  # between snapshots
PLAIN = (bool, dict, float, int, np.generic, set, str, type(None))


class Snapshots:
    """Writes a training to a store now and then, and brings it back."""

    def __init__(self, store, seeds):
        self._store = store
        self._seeds = list(seeds)
        self._last = time.monotonic()

    def restore(self, training):
        """Bring a new training to where it was; returns its number of epochs."""
        content = None if self._store is None else self._store.read_stack()
        if content is None or content["seeds"] != self._seeds:
            return 0
        restore(training, content)
        return content["epoch"]

    def offer(self, training, epoch):
        """Write the training after an epoch, unless it was written just now."""
        if self._store is None or time.monotonic() - self._last < SECONDS:
            return
        content = state_of(training) | {"seeds": self._seeds, "epoch": epoch}
        self._store.write_stack(content)
        self._last = time.monotonic()


def state_of(training):
    """Everything that an epoch changes."""
    stack = training.stack
    active = [training.members.index(member) for member in training.active]
    return {
        "active": active,
        "weights": stack.state if active else {},
        "optimizer": training.optimizer.state_dict(),
        "schedule": [
            (scheduler.lr_scheduler_.state_dict(), scheduler.batch_idx_)
            for scheduler in training.schedule.schedulers
        ],
        "random": torch.get_rng_state(),
        "members": [_member_state(member) for member in training.members],
    }


def restore(training, content):
    """Set everything that an epoch changes."""
    stack, active = training.stack, content["active"]
    training.active = [training.members[i] for i in active]
    if active:
        stack.keep(active)
    else:
        stack.release()
    for i, (member, state) in enumerate(
        zip(training.members, content["members"], strict=True)
    ):
        _restore_member(member, state, stopped=i not in active)
    for name, value in content["weights"].items():
        stack.state[name].data.copy_(value)
    training.optimizer.load_state_dict(content["optimizer"])
    pairs = zip(training.schedule.schedulers, content["schedule"], strict=True)
    for scheduler, (state, batch) in pairs:
        scheduler.lr_scheduler_.load_state_dict(state)
        scheduler.batch_idx_ = batch
    torch.set_rng_state(content["random"])


def _member_state(member):
    return {
        "random": member.random,
        "history": list(member.net.history),
        "callbacks": [_fitted(callback) for _, callback in member.callbacks],
        "module": {k: v.clone() for k, v in member.net.module_.state_dict().items()},
    }


def _restore_member(member, state, stopped):
    member.random = state["random"]
    member.net.history.extend(state["history"])
    for (_, callback), values in zip(member.callbacks, state["callbacks"], strict=True):
        vars(callback).update(values)
    if stopped:
        member.net.module_.load_state_dict(state["module"])
        member.net.callbacks_ = member.callbacks


def _fitted(callback):
    """What a callback has learnt."""
    return {
        name: value
        for name, value in vars(callback).items()
        if name.endswith("_") and isinstance(value, PLAIN)
    }
