"""Members in a folder, so that training goes on after it was killed."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import joblib
import torch

from skuq.deep._ensemble_members import Weights, whole
from skuq.exceptions import InputError


@dataclass(frozen=True)
class Store:
    """A folder with the members of one ensemble, each under its seed."""

    folder: Path

    @classmethod
    def opened(cls, folder, X, y, recipe):
        """The folder, which is made if need be and may hold only this problem."""
        store = cls(Path(folder))
        store.folder.mkdir(parents=True, exist_ok=True)
        problem = {"data": joblib.hash((X, y)), "settings": _settings(recipe)}
        path = store.folder / "ensemble.json"
        if not path.exists():
            store._write(path, lambda p: p.write_text(json.dumps(problem)))
            return store
        known = json.loads(path.read_text())
        other = [name for name in problem if known.get(name) != problem[name]]
        if other:
            raise InputError(
                f"checkpoint={str(folder)!r} holds an ensemble of other "
                f"{' and '.join(other)}: pass another folder, or empty this one."
            )
        return store

    def seeds(self, wanted):
        """The seeds to use: those of the killed training, where `wanted` is random."""
        path = self.folder / "seeds.json"
        if path.exists():
            known = json.loads(path.read_text())
            if len(known) >= len(wanted):
                return known[: len(wanted)]
            wanted = known + list(wanted[len(known) :])
        self._write(path, lambda p: p.write_text(json.dumps(wanted)))
        return wanted

    def __call__(self, seed, result):
        """Keep what `portable` made of a member."""
        if isinstance(result, Weights):
            content = {"state": result.state, "history": result.history}
            self._write(self._weights(seed), lambda p: torch.save(content, p))
        else:
            self._write(self._object(seed), lambda p: joblib.dump(result, p))

    def load(self, seeds, recipe, X):
        """The members that are there, by seed."""
        return {s: self._read(s, recipe, X) for s in seeds if self._has(s)}

    def write_stack(self, content):
        """Keep the state of members that are trained together."""
        self._write(self._stack, lambda p: torch.save(content, p))

    def read_stack(self):
        """That state; None if there is none."""
        if not self._stack.exists():
            return None
        return torch.load(self._stack, map_location="cpu", weights_only=False)

    def forget_stack(self):
        """The members are finished."""
        self._stack.unlink(missing_ok=True)

    @property
    def _stack(self):
        return self.folder / "stack.pt"

    def _has(self, seed):
        return self._weights(seed).exists() or self._object(seed).exists()

    def _read(self, seed, recipe, X):
        if not self._weights(seed).exists():
            return joblib.load(self._object(seed))
        content = torch.load(self._weights(seed), map_location="cpu", weights_only=True)
        return whole(Weights(**content), recipe, X)

    def _weights(self, seed):
        return self.folder / f"member_{seed}.pt"

    def _object(self, seed):
        return self.folder / f"member_{seed}.joblib"

    @staticmethod
    def _write(path, write):
        """Write beside and rename: a file is there whole, or not at all."""
        beside = path.with_name(f"{path.name}.{uuid4().hex}")
        write(beside)
        os.replace(beside, path)


def _settings(recipe):
    """What members are, as far as numbers and names tell in every process alike."""
    plain = {
        name: value
        for name, value in recipe.estimator.get_params().items()
        if isinstance(value, (bool, float, int, str))
        and not name.endswith(("device", "n_jobs", "random_state", "verbose"))
    }
    kind = type(recipe.estimator).__qualname__
    attack = None if recipe.attack is None else recipe.attack.epsilon
    return joblib.hash((kind, plain, recipe.bootstrap, attack))
