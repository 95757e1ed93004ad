"""The backup of a training on several workers: one file, written in one step by the chief."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from affectkit.atomic_files import atomic_path


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
        try:
            with np.load(self._path, allow_pickle=False) as file:
                state = json.loads(str(file["state"]))
                rows = list(state["rows"])
                if state["identity"] != self._identity:
                    raise ValueError("other data, settings, seed or shares")
                values = [file[f"value{number}"] for number in range(len(self._variables))]
                best = [file[f"best{number}"] for number in range(len(self._model_variables))]
            for variable, value in zip(self._variables, values, strict=True):
                variable.assign(value)
        except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{self._path} is not a backup of this training ({error}); delete it to start "
                "anew, or choose another folder"
            ) from error
        self._best = best
        return rows

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
