"""The backup of a training on several workers: one file, written in one step by the chief."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from affectkit.atomic_files import atomic_path
from affectkit.data.array_files import ArrayArchive
from affectkit.json_files import NUMBER, find_misfit
from affectkit.training_backup import array_forms

_STATE_FORM = {"settings": dict, "rows": [{"epoch": int, "val_loss": NUMBER}]}

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
            if problem := find_misfit(state, _STATE_FORM):
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
