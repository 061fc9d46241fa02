"""All members of an ensemble trained together, as one stack of modules.

Every member stays a net of skorch whose module is a view of the stack, with its own
stream of random numbers.  skorch validates it, keeps its history and calls its
callbacks at the ends of epochs, as if it were alone; only the steps are shared.
"""

from itertools import chain
from types import SimpleNamespace

import numpy as np
import torch
from skorch.callbacks import LRScheduler, ProgressBar
from skorch.history import History
from torch.utils.data import Subset
from tqdm import tqdm

from skuq.deep._adversarial import frozen_statistics
from skuq.deep._ensemble_members import named, sampled
from skuq.deep._ensemble_nets import as_tensor, initialised, stream
from skuq.deep._ensemble_snapshot import Snapshots
from skuq.deep._fast_adam import optimizer_class
from skuq.deep._loss_of_many import LossOfMany
from skuq.deep._stack import Stack
from skuq.exceptions import InputError

NOT_OF_MEMBERS = (LRScheduler, ProgressBar)  # the schedule is that of the stack


class Member:
    """A net, its samples and its stream of random numbers."""

    def __init__(self, recipe, X, y, seed):
        self.X, self.y, _ = sampled(recipe, X, y, seed)
        with stream(seed, "cpu"):
            self.net = initialised(recipe.estimator, X)
            self.callbacks = self.net.callbacks_
            self.net.callbacks_ = [
                (name, callback)
                for name, callback in self.callbacks
                if not isinstance(callback, NOT_OF_MEMBERS)
            ]
            self.net.notify("on_train_begin", X=self.X, y=self.y)
            self.net.check_data(self.X, self.y)
            self.train, self.valid = self.net.get_split_datasets(self.X, self.y)
            self.loader = self.net.get_iterator(self.train, training=True)
            self.valid_loader = None
            if self.valid is not None:
                self.valid_loader = self.net.get_iterator(self.valid, training=False)
            self._keep_state()

    def _keep_state(self):
        self.random = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002

    def _take_state(self):
        torch.set_rng_state(self.random[0])
        np.random.set_state(self.random[1])  # noqa: NPY002

    def begin_epoch(self):
        """Rows of all batches, as a loader of torch would draw them."""
        self._take_state()
        self.net.notify(
            "on_epoch_begin", dataset_train=self.train, dataset_valid=self.valid
        )
        torch.empty((), dtype=torch.int64).random_()  # a loader's seed for its workers
        batches = list(self.loader.batch_sampler)
        self._keep_state()
        return batches

    def end_epoch(self, losses, sizes, schedule):
        """Write the history and validate; false where a callback says to stop."""
        history = self.net.history
        for loss, size, extra in zip(losses, sizes, schedule["batches"], strict=True):
            history.new_batch()
            values = {"train_loss": loss, "train_batch_size": size, **extra}
            for key, value in values.items():
                history.record_batch(key, value)
        history.record("train_batch_count", len(sizes))
        for key in schedule.keys() - {"batches"}:
            history.record(key, schedule[key])
        self._take_state()
        try:
            self.net.run_single_epoch(
                self.valid_loader,
                training=False,
                prefix="valid",
                step_fn=self.net.validation_step,
            )
            self.net.notify(
                "on_epoch_end", dataset_train=self.train, dataset_valid=self.valid
            )
        except KeyboardInterrupt:  # how callbacks of skorch stop the training
            return False
        finally:
            self._keep_state()
        return True

    def finish(self):
        """The end of the training."""
        self.net.notify("on_train_end", X=self.X, y=self.y)
        self.net.callbacks_ = self.callbacks


def fit_stacked(recipe, X, y, seeds, store=None, verbose=False):
    """All members, trained together."""
    members = [Member(recipe, X, y, seed) for seed in seeds]
    sizes = sorted({len(member.train) for member in members})
    if len(sizes) > 1:
        raise InputError(
            f"a stack takes as many steps for each member, but the validation split "
            f"leaves between {sizes[0]} and {sizes[-1]} samples for training: use "
            "strategy='loop'."
        )
    with stream(seeds[0], recipe.device):
        training = StackedTraining(recipe, members)
        snapshots = Snapshots(store, seeds)
        done, n_epochs = snapshots.restore(training), members[0].net.max_epochs
        epochs = range(done + 1, n_epochs + 1)
        for epoch in tqdm(epochs, disable=not verbose, unit="epoch", desc="Ensemble"):
            if not training.active:
                break
            training.epoch()
            snapshots.offer(training, epoch)
        training.finish()
    return [named(member.net, recipe) for member in members]


class StackedTraining:
    """Steps for all members that still train."""

    def __init__(self, recipe, members):
        net = members[0].net
        self.attack = recipe.attack
        self.device = torch.device(net.device)
        self.members = members
        self.active = list(members)
        self.stack = Stack([member.net.module_ for member in members], alias=True)
        self.criterion = LossOfMany(net)
        named_parameters = list(self.stack.parameters.items())
        groups, options = net.get_params_for_optimizer("optimizer", named_parameters)
        kind = optimizer_class(net.optimizer, [options, *groups[0]], self.device)
        self.optimizer = kind(*groups, **options)
        self.schedule = Schedule(members[0].callbacks, self.optimizer)
        self._keep_data(members)

    def _keep_data(self, members):
        """One copy of the samples, unless members have samples of their own."""
        own = members[0].X is not members[-1].X
        sources = members if own else members[:1]
        self.X = torch.stack([self._tensor(member.X) for member in sources])
        self.y = torch.stack([self._tensor(member.y) for member in sources])
        if self.attack is not None:
            self.steps = torch.stack([self.attack.steps(x) for x in self.X])
        self.rows = {member: _rows(member.train) for member in members}
        self.source = {m: i if own else 0 for i, m in enumerate(members)}

    def _tensor(self, values):
        return as_tensor(values).to(self.device)

    def epoch(self):
        """One pass over the samples of every member, and what comes after it."""
        drawn = [member.begin_epoch() for member in self.active]
        sizes = [len(batch) for batch in drawn[0]]
        rows = self._drawn_rows(drawn)
        source = self._tensor([self.source[member] for member in self.active])[:, None]
        self.schedule.begin_epoch()
        self.stack.shell.train()
        for member in self.active:
            member.net.module_.train()
        losses = []
        for batch in rows.split(sizes, dim=1):
            losses.append(self._step(self.X[source, batch], self.y[source, batch]))
            self.schedule.end_batch()
        self._end_epoch(torch.stack(losses, dim=1).tolist(), sizes)

    def _drawn_rows(self, drawn):
        flat = [list(chain.from_iterable(batches)) for batches in drawn]
        rows = [
            self.rows[member][batches]
            for member, batches in zip(self.active, flat, strict=True)
        ]
        return torch.from_numpy(np.stack(rows)).to(self.device)

    def _step(self, x, y):
        """One step of all members: the sum of their losses has each one's gradient."""
        self.optimizer.zero_grad()
        if self.attack is not None:
            x.requires_grad_(True)
        losses = self._losses(x, y)
        losses.sum().backward()
        if self.attack is not None:
            moved = self.attack(x, x.grad, self._steps_of_active())
            with frozen_statistics(self.stack.shell):
                self._losses(moved, y).sum().backward()
        self.optimizer.step()
        return losses.detach()

    def _steps_of_active(self):
        steps = self.steps[[self.source[member] for member in self.active]]
        return steps[:, None]

    def _losses(self, x, y):
        return self.criterion(self.stack(x), y, x)

    def _end_epoch(self, losses, sizes):
        schedule = self.schedule.end_epoch()
        going = [
            member.end_epoch(loss, sizes, schedule)
            for member, loss in zip(self.active, losses, strict=True)
        ]
        if not all(going):
            self._keep([i for i, goes in enumerate(going) if goes])

    def _keep(self, positions):
        """Go on without the members that have stopped, which keep their weights."""
        n_active = len(self.active)
        if positions:
            self.stack.keep(positions)
            for state in self.optimizer.state.values():
                for key, value in state.items():
                    if torch.is_tensor(value) and value.shape[:1] == (n_active,):
                        state[key] = value[positions]
        else:
            self.stack.release()
        stopped = [m for i, m in enumerate(self.active) if i not in positions]
        self.active = [self.active[i] for i in positions]
        for member in stopped:
            member.finish()

    def finish(self):
        """The end of the training of those that did not stop."""
        if self.active:
            self.stack.release()
        for member in self.active:
            member.finish()


class Schedule:
    """The learning-rate schedules of a net, driving the optimiser of the stack."""

    def __init__(self, callbacks, optimizer):
        self.net = SimpleNamespace(optimizer_=optimizer, history=History())
        self.schedulers = [c for _, c in callbacks if isinstance(c, LRScheduler)]
        for scheduler in self.schedulers:
            scheduler.on_train_begin(self.net)

    def begin_epoch(self):
        """A new line of the history."""
        self.net.history.new_epoch()

    def end_batch(self):
        """Schedules that step with every batch."""
        self.net.history.new_batch()
        for scheduler in self.schedulers:
            scheduler.on_batch_end(self.net, training=True)

    def end_epoch(self):
        """Schedules that step with every epoch; what they recorded in it."""
        for scheduler in self.schedulers:
            scheduler.on_epoch_end(self.net)
        return self.net.history[-1]


def _rows(dataset):
    """Which samples a training set holds."""
    if isinstance(dataset, Subset):
        return np.asarray(dataset.indices)
    return np.arange(len(dataset))
