"""The backup of a training on several workers: one file, written in one step by the chief."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from affectkit.atomic_files import atomic_path
from affectkit.data.array_files import ArrayArchive
from affectkit.json_files import NUMBER, find_misfit
from affectkit.training_backup import array_forms

_STATE_FORM = {"identity": str, "rows": [{"epoch": int, "val_loss": NUMBER}]}


class WorkerBackup:
    """Everything that a training needs to go on after its last finished epoch.

    Parameters
    ----------
    path : Path
        An .npz file that all workers can read.
    identity : str
        Of what is trained on and how, see `affectkit.training_backup.training_identity`.
    variables : sequence of keras.Variable
        Of model, optimizer and random layers, in the same order each time.
    model_variables : sequence of keras.Variable
        Those whose best values are kept; none where an average of the weights is.
    """

    def __init__(
        self,
        path: Path,
        identity: str,
        variables: Sequence[keras.Variable],
        model_variables: Sequence[keras.Variable],
    ) -> None:
        self._path, self._identity = path, identity
        self._variables, self._model_variables = variables, model_variables
        self._best = [variable.numpy() for variable in model_variables]

    def load(self) -> list[dict]:
        """Restore all variables, if there is a backup, and give the rows of the log.

        Raises
        ------
        ValueError
            If the file is of another network or training, or damaged.
        """
        if not self._path.is_file():
            return []
        what = "a backup of this training: delete it to start anew, or choose another folder"
        with ArrayArchive(self._path, what) as archive:
            content = archive.read_all()
            state = json.loads(str(content["state"]))
            if problem := find_misfit(state, _STATE_FORM):
                raise ValueError(problem)
            if state["identity"] != self._identity:
                raise ValueError("other data, settings, seed or shares")
            values = [content[f"value{number}"] for number in range(len(self._variables))]
            best = [content[f"best{number}"] for number in range(len(self._model_variables))]
            if array_forms([*values, *best]) != array_forms(
                [*self._variables, *self._model_variables]
            ):
                raise ValueError("a network of another form")
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
        state = json.dumps({"identity": self._identity, "rows": rows})
        with atomic_path(self._path) as partial:
            np.savez(partial, state=np.array(state), **arrays)

    def take_best(self) -> None:
        """Give the model the values of its best epoch."""
        for variable, value in zip(self._model_variables, self._best, strict=True):
            variable.assign(value)
