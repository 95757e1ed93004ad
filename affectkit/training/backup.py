"""Back a training up after every epoch, so that one that was killed ends as if it had not been.

Keras' own `BackupAndRestore` writes weights and epoch to two files, one after the other, and keeps
neither the state of the random layers nor what early stopping knows. Here all of it is in one file
that is replaced in one step. Of what comes later, nothing may depend on the process: the order of
rows and the random numbers of mixup follow from seed and epoch (`affectkit.data.batches`).

On several workers all go on from one file, which the chief writes: a killed worker takes the others
down, as none can go on alone.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired

import keras
import numpy as np
import pandas as pd
from pydantic import ConfigDict
from typing_extensions import TypedDict

from affectkit.files.arrays import ArrayArchive
from affectkit.files.atomic import atomic_path, remove_partials, write_atomically
from affectkit.files.json_forms import OPEN, Integer, find_misfit
from affectkit.training.workers import is_chief
from affectkit.version import __version__

MOST_CHANGES = 8
"""Settings that a message lists; another profile has many others."""


class _Best(TypedDict):
    """What early stopping knows; these names alone are set on it."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    wait: NotRequired[Integer]
    best: NotRequired[float | None]
    best_epoch: NotRequired[Integer]


class _State(TypedDict):
    """Of a training: what decides how it goes, its log, and whether early stopping ended it."""

    __pydantic_config__ = OPEN
    settings: dict[str, object]
    rows: list[dict[str, float | None]]
    stopped: bool
    best: _Best


class TrainingBackup(keras.callbacks.Callback):
    """Write log and backup after every epoch; comes after `EarlyStopping` in the list of callbacks.

    Parameters
    ----------
    path : Path
        The `.npz` file; made while training.
    log : Path
        The `.csv` file of the log: epoch, and what Keras logs by name.
    settings : mapping
        By name, all that decides how the training goes; JSON-able.
    early_stopping : keras.callbacks.EarlyStopping, optional
        Is backed up, too.
    begin_anew : bool
        Where the file is damaged or of other settings: warn and begin anew, instead of refusing.

    Attributes
    ----------
    rows : list of dict
        Of the log, one a finished epoch.
    stopped : bool
        By early stopping.
    """

    def __init__(
        self,
        path: Path,
        log: Path,
        settings: Mapping[str, object],
        early_stopping: keras.callbacks.EarlyStopping | None = None,
        begin_anew: bool = True,
    ) -> None:
        super().__init__()
        self._path, self._log, self._begins_anew = path, log, begin_anew
        self._settings = json.loads(json.dumps(dict(settings) | {"affectkit": __version__}))
        self._early_stopping = early_stopping
        self._values: list[np.ndarray] | None = None
        self._best_weights: list[np.ndarray] | None = None
        self._best: _Best = {}
        self.rows: list[dict[str, float | None]] = []
        self.stopped = False

    def load(self) -> bool:
        """Read the backup, if there is one of this training, and tell whether there is.

        Raises ValueError if it is damaged or of other settings, unless that is to `begin_anew`.
        """
        if is_chief():
            remove_partials(self._path.parent)
        if not self._path.is_file():
            return False
        what = "a backup of this training: delete it to start anew, or choose another folder"
        try:
            with ArrayArchive(self._path, what) as archive:
                content = archive.read_all()
                state = json.loads(str(content["state"]))
                if problem := find_misfit(state, _State):
                    raise ValueError(problem)
                values, best = _numbered(content, "variable"), _numbered(content, "best")
        except ValueError as error:
            if not self._begins_anew:
                raise
            self._warn(f"can't be read ({error})")
            return False
        if changes := "; ".join(find_changes(state["settings"], self._settings)):
            if not self._begins_anew:
                raise ValueError(
                    f"{self._path} is of a training with other settings: {changes}. Give the same "
                    "settings to go on with it; to train with these, choose another output, or "
                    "delete the file and lose its epochs"
                )
            self._warn(f"is of a training with other settings ({changes})")
            return False
        self.rows, self.stopped, self._best = state["rows"], state["stopped"], state["best"]
        self._values, self._best_weights = values, best or None
        return True

    def restore(self, model: keras.Model) -> None:
        """Give a compiled model what `load` has read, if it has.

        Raises ValueError if the backup is of a model of another form; then nothing is set.
        """
        if self._values is None:
            return
        model.optimizer.build(model.trainable_variables)
        variables = _variables(model)
        pairs = [(variables, self._values)]
        if self._best_weights is not None:
            pairs.append((model.weights, self._best_weights))
        if any(_forms(known) != _forms(values) for known, values in pairs):
            raise ValueError(
                f"the backup {self._path} is of a model of another form, perhaps from another "
                "version of affectkit: delete it to begin anew"
            )
        for variable, value in zip(variables, self._values, strict=True):
            variable.assign(value)
        self._values = None

    def _warn(self, reason: str) -> None:
        message = f"the backup {self._path} {reason}: this training begins anew"
        warnings.warn(message, UserWarning, stacklevel=3)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Write the log so far, and tell early stopping what it knew."""
        if self._early_stopping is not None:
            for name, value in self._best.items():
                setattr(self._early_stopping, name, value)
            self._early_stopping.best_weights = self._best_weights
        if self.rows:
            self._write_log()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write backup and log."""
        values = {name: float(value) for name, value in sorted((logs or {}).items())}
        self.rows.append({"epoch": epoch, **values})
        self.stopped = self.model.stop_training
        if not is_chief():
            return
        best = []
        if self._early_stopping is not None:
            self._best = {
                name: getattr(self._early_stopping, name) for name in _Best.__annotations__
            }
            best = self._early_stopping.best_weights or []
        arrays = {f"variable{n}": v.numpy() for n, v in enumerate(_variables(self.model))}
        arrays |= {f"best{number}": value for number, value in enumerate(best)}
        state = {"settings": self._settings, "rows": self.rows, "stopped": self.stopped}
        text = json.dumps(state | {"best": self._best})
        with atomic_path(self._path) as partial:
            np.savez(partial, allow_pickle=False, state=np.array(text), **arrays)
        self._write_log()

    def _write_log(self) -> None:
        if is_chief():
            write_atomically(self._log, pd.DataFrame(self.rows).to_csv(index=False))


def short_hash(*parts: object) -> str:
    """Give 16 hexadecimal digits of what differs: arrays, or objects that `repr` tells apart."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:16]


def find_changes(made: Mapping[str, object], given: Mapping[str, object]) -> list[str]:
    """Say which settings differ: "seed was 0, is 1"; those that only one side knows do, too."""
    names = [name for name in {**given, **made} if made.get(name) != given.get(name)]
    return [
        f"{name:.40} was {made.get(name)!r:.80}, is {given.get(name)!r:.80}"
        for name in names[:MOST_CHANGES]
    ] + ([f"and {len(names) - MOST_CHANGES} more"] if len(names) > MOST_CHANGES else [])


def _variables(model: keras.Model) -> list[keras.Variable]:
    """List weights, random layers' states and the optimizer's variables."""
    return [*model.variables, *model.optimizer.variables]


def _forms(arrays: Sequence[keras.Variable | np.ndarray]) -> list[tuple[tuple[int, ...], str]]:
    """Give shape and dtype of each: a value must have those of the variable that it is for."""
    return [(tuple(array.shape), str(array.dtype)) for array in arrays]


def _numbered(content: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    count = sum(key.startswith(name) for key in content)
    return [content[f"{name}{number}"] for number in range(count)]
