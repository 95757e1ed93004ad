"""What happens between the steps of a training: learning rate, progress bar, and NaN."""

from __future__ import annotations

import math

import keras
from tqdm.auto import tqdm

from affectkit.training.workers import is_chief


def cosine_learning_rate(step: int, total_steps: int, peak: float) -> float:
    """Give the rate of a step (from 0): linear warm-up over a tenth, then half a cosine to zero.

    Loshchilov, Hutter (2017), arXiv:1608.03983, without restarts.
    """
    warm_up = max(1, total_steps // 10)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = min(1.0, (step - warm_up) / max(1, total_steps - warm_up))
    return peak * (1 + math.cos(math.pi * progress)) / 2


class CosineLearningRate(keras.callbacks.Callback):
    """Set `cosine_learning_rate` before every step.

    A Keras schedule inside the optimizer is traced once for each variable, which makes the start of
    a `fit` seconds slower; assigning the rate costs microseconds. The step is the optimizer's own
    count, so that a resumed training goes on where it was.
    """

    def __init__(self, total_steps: int, peak: float) -> None:
        super().__init__()
        self._total_steps, self._peak = total_steps, peak

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Read the step to start from (after a backup was restored)."""
        self._step = int(self.model.optimizer.iterations.numpy())

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Assign the rate of this step."""
        rate = cosine_learning_rate(self._step, self._total_steps, self._peak)
        self.model.optimizer.learning_rate.assign(rate)
        self._step += 1


class StopOnNaN(keras.callbacks.Callback):
    """Stop with advice when the loss is no longer a number, or validation had no face."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Check the running loss."""
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss):
            return
        rate = float(self.model.optimizer.learning_rate.numpy())
        raise ValueError(
            f"the loss became {loss} in epoch {self._epoch + 1}, batch {batch + 1}, at a learning "
            f"rate of {rate:.2g}: lower the learning_rate (a tenth is a good first try), look for "
            "NaN in labels and loss weights, and train in float32 if you chose mixed precision"
        )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Check that validation did not end at once: Keras' mean of nothing is 0."""
        if (logs or {}).get("val_loss") == 0:
            raise ValueError("no face of the validation split could be read; see the warnings")


class EpochProgress(keras.callbacks.Callback):
    """One tqdm bar over the epochs, with the last losses; works in notebooks, shells and logs."""

    def __init__(self, description: str) -> None:
        super().__init__()
        self._description = description

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Open the bar."""
        self._bar = tqdm(
            total=self.params["epochs"],
            desc=self._description,
            unit="epoch",
            disable=not is_chief(),
        )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Move the bar and show the losses."""
        logs = logs or {}
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in logs.items()})
        self._bar.update(epoch + 1 - self._bar.n)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close the bar."""
        self._bar.close()
