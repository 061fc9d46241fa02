"""Training that is killed and goes on."""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import ValidSplit
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from skuq.deep import EnsembleClassifier
from skuq.deep._ensemble_members import fit_here
from skuq.deep._ensemble_stacked import StackedTraining
from skuq.exceptions import InputError


def dropping():
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 2))


@pytest.fixture
def problem(rng):
    X = rng.standard_normal((40, 3)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("strategy", ["loop", "stacked", "joblib"])
def test_members_come_back_from_the_folder(strategy, problem, tmp_path, monkeypatch):
    X, y = problem
    options = {"n_estimators": 2, "strategy": strategy, "random_state": 0}
    model = EnsembleClassifier(checkpoint=tmp_path, **options).fit(X, y)
    again = EnsembleClassifier(checkpoint=tmp_path, **options)
    for name in ("fit_stacked", "fit_here", "fit_in_processes"):
        monkeypatch.delattr(f"skuq.deep._ensemble_base.{name}")
    again.fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert len(again.estimators_[0].history) == len(model.estimators_[0].history)


def test_missing_members_are_trained_as_they_would_have_been(
    problem, tmp_path, monkeypatch
):
    X, y = problem
    options = {"n_estimators": 3, "strategy": "loop", "random_state": 0}
    whole = EnsembleClassifier(**options).fit(X, y)
    EnsembleClassifier(checkpoint=tmp_path, **options).fit(X, y)
    sorted(tmp_path.glob("member_*"))[1].unlink()
    trained = []

    def counting(*arguments):
        trained.append(arguments)
        return fit_here(*arguments)

    monkeypatch.setattr("skuq.deep._ensemble_base.fit_here", counting)
    again = EnsembleClassifier(checkpoint=tmp_path, **options).fit(X, y)
    assert len(trained) == 1
    np.testing.assert_array_equal(whole.predict_proba(X), again.predict_proba(X))


class Killed(Exception):
    pass


STACKS = {
    "plain": {},
    "dropout": {"module": dropping},
    "stopping": {
        "lr": 0.1,
        "train_split": ValidSplit(3),
        "callbacks": [("stop", EarlyStopping(patience=1, load_best=True))],
    },
    "schedule": {"callbacks": [("s", LRScheduler(CosineAnnealingLR, T_max=8))]},
}


@pytest.mark.parametrize("options", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("epochs", [1, 3, 6])
def test_a_stack_goes_on_after_any_epoch(
    options, epochs, problem, tmp_path, monkeypatch
):
    X, y = problem
    monkeypatch.setattr("skuq.deep._ensemble_snapshot.SECONDS", 0.0)
    defaults = {"module": nn.Linear(3, 2), "criterion": nn.CrossEntropyLoss}
    defaults |= {"max_epochs": 8, "train_split": None, "verbose": 0, "batch_size": 16}
    net = NeuralNetClassifier(optimizer=torch.optim.Adam, **defaults | options)
    settings = {"n_estimators": 3, "strategy": "stacked", "random_state": 0}
    whole = EnsembleClassifier(net, **settings).fit(X, y)
    n_epochs = max(len(member.history) for member in whole.estimators_)
    epoch, n_begun = StackedTraining.epoch, 0

    def dying(self):
        nonlocal n_begun
        n_begun += 1
        if n_begun == epochs + 1:
            raise Killed
        epoch(self)

    model = EnsembleClassifier(net, checkpoint=tmp_path, **settings)
    monkeypatch.setattr(StackedTraining, "epoch", dying)
    killed = epochs < n_epochs
    with pytest.raises(Killed) if killed else contextlib.nullcontext():
        model.fit(X, y)
    model.fit(X, y)
    assert n_begun == n_epochs + killed  # the killed one twice, the others once
    np.testing.assert_array_equal(whole.predict_proba(X), model.predict_proba(X))
    for a, b in zip(whole.estimators_, model.estimators_, strict=True):
        assert a.history[:, "train_loss"] == b.history[:, "train_loss"]
    assert not (tmp_path / "stack.pt").exists()


def test_random_seeds_are_those_of_the_folder(problem, tmp_path):
    X, y = problem
    first, again = (
        EnsembleClassifier(n_estimators=2, checkpoint=tmp_path).fit(X, y)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))


def test_another_random_state_does_not_take_the_members_of_the_folder(
    problem, tmp_path
):
    X, y = problem
    EnsembleClassifier(checkpoint=tmp_path, random_state=0).fit(X, y)
    other = EnsembleClassifier(checkpoint=tmp_path, random_state=1).fit(X, y)
    plain = EnsembleClassifier(random_state=1).fit(X, y)
    np.testing.assert_array_equal(other.predict_proba(X), plain.predict_proba(X))


def test_estimators_of_scikit_learn_are_kept_too(problem, tmp_path):
    X, y = problem
    first, again = (
        EnsembleClassifier(RandomForestClassifier(3), checkpoint=tmp_path).fit(X, y)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))


def test_a_folder_of_other_data_is_refused(problem, tmp_path):
    X, y = problem
    EnsembleClassifier(n_estimators=1, checkpoint=tmp_path).fit(X, y)
    with pytest.raises(InputError, match="holds an ensemble of other data"):
        EnsembleClassifier(n_estimators=1, checkpoint=tmp_path).fit(X + 1, y)


def test_a_folder_of_other_settings_is_refused(problem, tmp_path):
    forest = RandomForestClassifier(3)
    EnsembleClassifier(forest, checkpoint=tmp_path).fit(*problem)
    EnsembleClassifier(clone(forest).set_params(n_jobs=1), checkpoint=tmp_path).fit(
        *problem
    )
    forest = RandomForestClassifier(4)
    with pytest.raises(InputError, match="holds an ensemble of other settings"):
        EnsembleClassifier(forest, checkpoint=tmp_path).fit(*problem)


PROGRAM = """
import sys
import numpy as np
import torch
from skorch import NeuralNetClassifier

from skuq.deep import EnsembleClassifier

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
    def forward(self, x):
        return self.layer(x)

def predictions(max_epochs, strategy, checkpoint):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    net = NeuralNetClassifier(Slow, criterion=torch.nn.CrossEntropyLoss, lr=0.1,
                              max_epochs=max_epochs, train_split=None, verbose=0)
    model = EnsembleClassifier(net, n_estimators=6, strategy=strategy, n_jobs=2,
                               random_state=0, checkpoint=checkpoint)
    return model.fit(X, y).predict_proba(X[:5]).tolist()

if __name__ == "__main__":
    print(predictions(int(sys.argv[1]), sys.argv[2], sys.argv[3] or None))
"""


def run(path, *arguments):
    command = [sys.executable, str(path), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="has no SIGKILL")
def test_a_killed_training_goes_on_to_the_same_predictions(tmp_path):
    path, folder = tmp_path / "program.py", tmp_path / "members"
    path.write_text(PROGRAM)
    expected = runpy.run_path(path)["predictions"](60, "loop", None)
    killed = run(path, 60, "loop", folder)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("member_*.pt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert 2 <= len(list(folder.glob("member_*.pt"))) < 6
    assert killed.returncode == -signal.SIGKILL
    assert json.loads(run(path, 60, "loop", folder).communicate()[0]) == expected


def test_a_module_of_the_main_program_works_in_processes(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    expected = runpy.run_path(path)["predictions"](2, "loop", None)
    assert json.loads(run(path, 2, "joblib", "").communicate()[0]) == expected
