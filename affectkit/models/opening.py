"""The one door to a model: open it by name or path, whatever it is, and ask it about faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affectkit.models.cards import (
    Card,
    Confidence,
    FileEntry,
    ModelFile,
    checkpoint_names,
    find_model,
)
from affectkit.models.runtimes import OUTPUTS, KerasNetwork, Network, load_network, one_output
from affectkit.preprocess import Preprocessing

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Model:
    """What answers for faces, and all that its users must know.

    Attributes
    ----------
    name : str
        As it was asked for, without folder and ending.
    networks : tuple of Network
        One with all outputs, or one for each; in the order in which they are run.
    preprocessing : Preprocessing
        How their input is made.
    temperature : float
        Divides the logits of the expressions when calibrated probabilities are wanted; 1 = none.
        `temperature_for` gives another one for the test rows of some protocols.
    cards : tuple of dict
        What the cards (`affectkit.models.cards.Card`) of the networks say.
    files : tuple of dict
        name, bytes and sha256 of the files that were opened.

    Examples
    --------
    >>> import numpy as np
    >>> from affectkit import open_model
    >>> model = open_model("affectkit-synthetic-int8")
    >>> size = model.preprocessing.image_size
    >>> answers = model(np.zeros((3, size, size, 3), np.float32))
    >>> {output: answer.shape for output, answer in answers.items()}
    {'expression': (3, 8), 'valence_arousal': (3, 2)}
    """

    name: str
    networks: tuple[Network, ...]
    preprocessing: Preprocessing
    temperature: float = 1.0
    cards: tuple[Card, ...] = ()
    files: tuple[FileEntry, ...] = ()

    @classmethod
    def of_keras(
        cls,
        model: keras.Model,
        preprocessing: Preprocessing,
        temperature: float = 1.0,
        card: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> Model:
        """Describe a network of Keras, as while it is being trained.

        Parameters
        ----------
        model : keras.Model
            One output of 8 or 2 units, or a dict of both.
        preprocessing, temperature, name
            As the attributes.
        card : dict, optional
            What a card would say: {"training": {...}}.
        """
        cards = () if card is None else (dict(card),)
        return cls(name or model.name, (KerasNetwork(model),), preprocessing, temperature, cards)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces.

        Parameters
        ----------
        faces : numpy.ndarray
            float32, shape (n, size, size, 3), RGB, -1..1: `affectkit.preprocess.face_input`.

        Returns
        -------
        dict of str to numpy.ndarray
            "expression": float32 (n, 8), probabilities before temperature scaling, in the order of
            `affectkit.labels.EXPRESSIONS`; "valence_arousal": float32 (n, 2), -1..1. Or one.
        """
        answers: dict[str, np.ndarray] = {}
        for network in self.networks:
            answers |= network(faces)
        return answers

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it answers: "expression", "valence_arousal" or both."""
        found = {output for network in self.networks for output in network.outputs}
        return tuple(output for output in OUTPUTS.values() if output in found)

    @property
    def card(self) -> Card:
        """The card of the only or the first network; empty of one that was never saved."""
        return self.cards[0] if self.cards else {}

    @property
    def training(self) -> dict[str, Any]:
        """What the card says about the training."""
        return dict(self.card.get("training") or {})

    @property
    def confidence(self) -> Confidence:
        """What the card of the classifier says beside the temperature; empty if it says nothing."""
        cards = [card for card in self.cards if "expression" in card.get("outputs", {})]
        return dict(cards[0].get("confidence") or {}) if cards else {}

    def temperature_for(self, protocol: str) -> float:
        """Give the temperature for the test rows of a protocol: the card's own one, or the usual.

        Parameters
        ----------
        protocol : str
            A name of `affectkit.data.protocols.PROTOCOLS`.
        """
        return self.confidence.get("protocol_temperatures", {}).get(protocol, self.temperature)

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the only or the first file; None of one that was never saved."""
        return self.files[0]["sha256"] if self.files else None

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it can be evaluated for: "classification", "regression" or both."""
        return tuple(task for task, output in OUTPUTS.items() if output in self.outputs)

    @property
    def task(self) -> str:
        """The only task.

        Raises
        ------
        ValueError
            If there are two.
        """
        if len(self.tasks) > 1:
            raise ValueError(
                f"{self.name} is for {' and '.join(self.tasks)}; choose with "
                f".for_task({self.tasks[0]!r})"
            )
        return self.tasks[0]

    def for_task(self, task: str) -> Model:
        """Give the part that answers for one task.

        Parameters
        ----------
        task : str
            "classification" or "regression".

        Raises
        ------
        ValueError
            If there is none.
        """
        if task not in self.tasks:
            raise ValueError(f"{self.name} is for {' and '.join(self.tasks)}, not for {task}")
        if len(self.tasks) == 1:
            return self
        output = OUTPUTS[task]
        at = next(at for at, one in enumerate(self.networks) if output in one.outputs)
        return replace(
            self,
            networks=(one_output(self.networks[at], output),),
            temperature=self.temperature if task == "classification" else 1.0,
            cards=self.cards[at : at + 1],
        )

    @cached_property
    def model(self) -> keras.Model:
        """The network of Keras, to train on or to convert; two become one with a dict of outputs.

        Raises
        ------
        ValueError
            If it runs in another runtime.
        """
        if not all(isinstance(network, KerasNetwork) for network in self.networks):
            raise ValueError(
                f"{self.name} is already exported; to convert its network, name the Keras file or "
                f"the checkpoint that it was made from, such as "
                f"{self.name.removesuffix('-int8').removesuffix('-float16')}"
            )
        if len(self.networks) == 1:
            return self.networks[0].model
        from affectkit.models.build import join_models

        return join_models(*(network.model for network in self.networks))


def open_model(name: str | Path, threads: int = 1) -> Model:
    """Open a model of any kind.

    Parameters
    ----------
    name : str or Path
        A name of `checkpoint_names`, such as "affectkit-real-int8"; a file or SavedModel folder
        that has its card beside it: `.keras`, or a checkpoint or export in any folder; the card;
        or the run folder of a course, whose models/ holds classifier.keras, regressor.keras or
        both.
    threads : int
        Of LiteRT and ONNX Runtime; TensorFlow takes its own.

    Returns
    -------
    Model
        Ready to run. LiteRT's and ONNX's are opened without TensorFlow.

    Raises
    ------
    ValueError
        If there is no such model, a file or card is damaged or not what the other says, or two
        networks are fed differently.
    FileNotFoundError
        If a file or its card is missing.
    ImportError
        If it needs ONNX Runtime and that is not installed.
    """
    folder = Path(name).expanduser()
    is_folder = str(name) not in checkpoint_names() and folder.is_dir()
    if not is_folder or (folder / "saved_model.pb").is_file():
        return _open_file(find_model(name), threads)
    paths = [folder / "models" / f"{one}.keras" for one in ("classifier", "regressor")]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise FileNotFoundError(
            f"expected the run folder of a course, {folder} has no models/classifier.keras; name a "
            "model file or a checkpoint"
        )
    parts = [_open_file(find_model(path), threads) for path in found]
    if len({part.preprocessing for part in parts}) > 1:
        raise ValueError(
            f"{' and '.join(path.name for path in found)} take differently prepared faces: "
            f"{' and '.join(str(part.preprocessing) for part in parts)}; name one of them"
        )
    return Model(
        folder.resolve().name,
        tuple(network for part in parts for network in part.networks),
        parts[0].preprocessing,
        parts[0].temperature,
        tuple(card for part in parts for card in part.cards),
        tuple(file for part in parts for file in part.files),
    )


def _open_file(file: ModelFile, threads: int) -> Model:
    if file.form in ("keras", "weights"):
        from affectkit.models.keras_models import load_keras_file, load_weights

        load = load_keras_file if file.form == "keras" else load_weights
        network = KerasNetwork(load(file))
    else:
        network = load_network(file.path, file.form, threads)
    told = file.preprocessing.image_size, set(file.card["outputs"])
    if (network.image_size, set(network.outputs)) != told:
        raise ValueError(
            f"{file.path} takes {network.image_size} px and answers "
            f"{', '.join(network.outputs)}, its card says {told[0]} px and "
            f"{', '.join(sorted(told[1]))}; copy or make both again"
        )
    cards, files = (file.card,), tuple(file.files)
    return Model(file.name, (network,), file.preprocessing, file.temperature, cards, files)
