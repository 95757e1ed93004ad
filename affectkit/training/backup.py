"""Back a training up after every epoch, so that one that was killed ends as if it had not been.

Keras' own `BackupAndRestore` writes weights and epoch to two files, one after the other, and keeps
neither the state of the random layers nor what early stopping knows. Here all of it is in one file
that is replaced in one step. Of what comes later, nothing may depend on the process: the order of
rows and the random numbers of mixup follow from seed and epoch (`affectkit.data.batches`).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from affectkit.files.arrays import ArrayArchive
from affectkit.files.atomic import atomic_path, remove_partials, write_atomically
from affectkit.files.json_forms import NUMBER, find_misfit
from affectkit.version import __version__

BEST_NAMES = ("wait", "best", "best_epoch")
"""What early stopping knows."""

_STATE_FORM = {"identity": str, "epochs": int, "stopped": bool, "rows": [dict], "best": dict}


@dataclass
class TrainingState:
    """Where a training is.

    Attributes
    ----------
    epochs : int
        Finished.
    stopped : bool
        By early stopping.
    rows : list of dict
        Of the log, one an epoch.
    best : dict
        What early stopping knows: wait, best, best_epoch.
    """

    epochs: int = 0
    stopped: bool = False
    rows: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float | None] = field(default_factory=dict)


class TrainingBackup(keras.callbacks.Callback):
    """Write log and backup after every epoch; comes after `EarlyStopping` in the list of callbacks.

    Parameters
    ----------
    path : Path
        The `.npz` file; made while training.
    log : Path
        The `.csv` file of the log: epoch, and what Keras logs by name.
    identity : str
        Of what is trained on and how, see `training_identity`.
    early_stopping : keras.callbacks.EarlyStopping, optional
        Is backed up, too.

    Attributes
    ----------
    state : TrainingState
        Where the training is.
    """

    def __init__(
        self,
        path: Path,
        log: Path,
        identity: str,
        early_stopping: keras.callbacks.EarlyStopping | None = None,
    ) -> None:
        super().__init__()
        self._path, self._log, self._identity = path, log, identity
        self._early_stopping = early_stopping
        self._values: list[np.ndarray] | None = None
        self._best_weights: list[np.ndarray] | None = None
        self.state = TrainingState()

    def load(self) -> bool:
        """Read the backup, if there is one of this training, and tell whether there is."""
        remove_partials(self._path.parent)
        if not self._path.is_file():
            return False
        try:
            with ArrayArchive(self._path, "a backup of affectkit") as archive:
                content = archive.read_all()
                identity, state = _read_state(str(content["state"]))
                values, best = _numbered(content, "variable"), _numbered(content, "best")
        except (OSError, ValueError) as error:
            self._begin_anew(f"can't be read ({error})")
            return False
        if identity != self._identity:
            self._begin_anew("is of a training with other rows, settings or seed")
            return False
        self._values, self.state, self._best_weights = values, state, best or None
        return True

    def restore(self, model: keras.Model) -> None:
        """Give a compiled model what `load` has read, if it has.

        Raises
        ------
        ValueError
            If the backup is of a model of another form.
        """
        if self._values is None:
            return
        model.optimizer.build(model.trainable_variables)
        variables = _variables(model)
        pairs = [(variables, self._values)]
        if self._best_weights is not None:
            pairs.append((model.weights, self._best_weights))
        if any(array_forms(known) != array_forms(values) for known, values in pairs):
            raise ValueError(
                f"the backup {self._path} is of a model of another form, perhaps from another "
                "version of affectkit: delete it to begin anew"
            )
        for variable, value in zip(variables, self._values, strict=True):
            variable.assign(value)
        self._values = None

    def forget(self) -> None:
        """Remove the backup."""
        self._path.unlink(missing_ok=True)

    def _begin_anew(self, reason: str) -> None:
        warnings.warn(
            f"the backup {self._path} {reason}: this training begins anew",
            UserWarning,
            stacklevel=3,
        )

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Write the log so far, and tell early stopping what it knew."""
        if self._early_stopping is not None:
            for name, value in self.state.best.items():
                setattr(self._early_stopping, name, value)
            self._early_stopping.best_weights = self._best_weights
        if self.state.rows:
            self._write_log()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write backup and log."""
        values = {name: float(value) for name, value in sorted((logs or {}).items())}
        self.state.rows.append({"epoch": epoch, **values})
        self.state.epochs = epoch + 1
        self.state.stopped = self.model.stop_training
        best = []
        if self._early_stopping is not None:
            self.state.best = {name: getattr(self._early_stopping, name) for name in BEST_NAMES}
            best = self._early_stopping.best_weights or []
        arrays = {f"variable{n}": v.numpy() for n, v in enumerate(_variables(self.model))}
        arrays |= {f"best{number}": value for number, value in enumerate(best)}
        state = json.dumps(vars(self.state) | {"identity": self._identity})
        with atomic_path(self._path) as partial:
            np.savez(partial, allow_pickle=False, state=np.array(state), **arrays)
        self._write_log()

    def _write_log(self) -> None:
        write_atomically(self._log, pd.DataFrame(self.state.rows).to_csv(index=False))


def training_identity(*parts: object) -> str:
    """Give a hash of what makes one training differ from another.

    Parameters
    ----------
    *parts : numpy.ndarray, or objects that `repr` tells apart
        Settings, seed, ids, targets.

    Returns
    -------
    str
        SHA-256, in hexadecimal digits; of affectkit's version, too.
    """
    digest = hashlib.sha256(__version__.encode())
    for part in parts:
        content = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _variables(model: keras.Model) -> list[keras.Variable]:
    """List weights, random layers' states and the optimizer's variables."""
    return [*model.variables, *model.optimizer.variables]


def array_forms(arrays: Sequence[keras.Variable | np.ndarray]) -> list[tuple[tuple[int, ...], str]]:
    """Give shape and dtype of each: a value must have those of the variable that it is for."""
    return [(tuple(array.shape), str(array.dtype)) for array in arrays]


def _numbered(content: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    count = sum(key.startswith(name) for key in content)
    return [content[f"{name}{number}"] for number in range(count)]


def _read_state(text: str) -> tuple[str, TrainingState]:
    """Give identity and state; both are those of a training, whatever the file holds."""
    known = json.loads(text)
    if problem := find_misfit(known, _STATE_FORM):
        raise ValueError(problem)
    state = TrainingState(**{one.name: known[one.name] for one in fields(TrainingState)})
    numbers = [*state.best.values(), *chain.from_iterable(row.values() for row in state.rows)]
    if not all(isinstance(number, (int, float, type(None))) for number in numbers):
        raise ValueError("text among its numbers")
    if state.epochs != len(state.rows) or not state.best.keys() <= set(BEST_NAMES):
        raise ValueError("its parts contradict one another")
    if not all(isinstance(state.best.get(name, 0), int) for name in ("wait", "best_epoch")):
        raise ValueError("epochs that are no numbers")
    return known["identity"], state


# FOLD affectkit.worker_backup: """The backup of a training on several workers: one file, written in one step by the chief."""
_WORKER_STATE_FORM = {"settings": dict, "rows": [{"epoch": int, "val_loss": NUMBER}]}

MOST_CHANGES = 8
"""Settings that a message lists; another profile has many others."""


class WorkerBackup:
    """Everything that a training needs to go on after its last finished epoch.

    Parameters
    ----------
    path : Path
        An .npz file that all workers can read.
    settings : mapping
        By name, what is trained on and how; JSON-able. A backup with others is refused.
    variables : sequence of keras.Variable
        Of model, optimizer and random layers, in the same order each time.
    model_variables : sequence of keras.Variable
        Those whose best values are kept; none where an average of the weights is.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, object],
        variables: Sequence[keras.Variable],
        model_variables: Sequence[keras.Variable],
    ) -> None:
        self._path, self._settings = path, dict(settings)
        self._variables, self._model_variables = variables, model_variables
        self._best = [variable.numpy() for variable in model_variables]

    def load(self) -> list[dict]:
        """Restore all variables, if there is a backup, and give the rows of the log.

        Raises
        ------
        ValueError
            If the file is of another network or training (says how that differs), or damaged.
        """
        if not self._path.is_file():
            return []
        what = "a backup of this training: delete it to start anew, or choose another folder"
        with ArrayArchive(self._path, what) as archive:
            content = archive.read_all()
            state = json.loads(str(content["state"]))
            if problem := find_misfit(state, _WORKER_STATE_FORM):
                raise ValueError(problem)
            changes = find_changes(state["settings"], self._settings)
            if not changes:
                values = [content[f"value{number}"] for number in range(len(self._variables))]
                best = [content[f"best{number}"] for number in range(len(self._model_variables))]
                if array_forms([*values, *best]) != array_forms(
                    [*self._variables, *self._model_variables]
                ):
                    raise ValueError("a network of another form")
        if changes:
            raise ValueError(
                f"{self._path} is of a training with other settings: {'; '.join(changes)}. Give "
                "the same settings to go on with it; to train with these, choose another output, "
                "or delete the file and lose its epochs"
            )
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        self._best = best
        return state["rows"]

    def save(self, rows: list[dict], better: bool, write: bool) -> None:
        """Keep the state after an epoch.

        Parameters
        ----------
        rows : list of dict
            The log so far.
        better : bool
            Whether the model is the best so far.
        write : bool
            Whether this worker writes the file; the others only remember the best.
        """
        if better:
            self._best = [variable.numpy() for variable in self._model_variables]
        if not write:
            return
        arrays = {f"value{number}": value.numpy() for number, value in enumerate(self._variables)}
        arrays |= {f"best{number}": value for number, value in enumerate(self._best)}
        state = json.dumps({"settings": self._settings, "rows": rows})
        with atomic_path(self._path) as partial:
            np.savez(partial, state=np.array(state), **arrays)

    def take_best(self) -> None:
        """Give the model the values of its best epoch."""
        for variable, value in zip(self._model_variables, self._best, strict=True):
            variable.assign(value)


def find_changes(made: Mapping[str, object], given: Mapping[str, object]) -> list[str]:
    """Say which settings differ: "seed was 0, is 1"; those that only one side knows do, too."""
    names = [name for name in {**given, **made} if made.get(name) != given.get(name)]
    return [
        f"{name:.40} was {made.get(name)!r:.80}, is {given.get(name)!r:.80}"
        for name in names[:MOST_CHANGES]
    ] + ([f"and {len(names) - MOST_CHANGES} more"] if len(names) > MOST_CHANGES else [])
