"""A training that is cut off goes on, to the very weights; a loss that is no number ends it."""

import json
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest

import affectkit
from affectkit.data import make_table
from affectkit.models.build import BACKBONE
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.training import train_model
from affectkit.training.backup import TrainingBackup, find_changes, short_hash
from affectkit.training.callbacks import EpochProgress
from affectkit.training.fit import forget_backup

SIZE = Preprocessing(32)
RECIPES = {
    "early stopping": {"patience": 2, "learning_rate": 0.1, "epochs": 8, "augmentation": "strong"},
    "moving average": {"ema_momentum": 0.5, "head_epochs": 1, "mixup": 0.2},
}


def noise(rows, split):
    generator = np.random.default_rng(len(split))
    columns = {"image_id": [f"{row}" for row in range(rows)], "split": [split] * rows}
    columns |= {"expression": np.arange(rows) % 8, "valence": np.linspace(-1, 1, rows)}
    table = make_table(columns | {"arousal": np.zeros(rows)}, "noise", "folder")
    return table, generator.integers(0, 256, (rows, 32, 32, 3), np.uint8)


TRAIN, VALIDATION = noise(40, "train"), noise(16, "validation")


def small_network(units=8):
    """Trained in a second, with normalisation and dropout as the real one."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 3))
    layers = [keras.layers.Conv2D(8, 3, 4), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    features = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D()], name=BACKBONE)
    dropped = keras.layers.Dropout(0.2)(features(inputs))
    head, name = ("softmax", "expression") if units == 8 else ("tanh", "valence_arousal")
    return keras.Model(inputs, keras.layers.Dense(units, head, name=name)(dropped))


def train(settings, folder, units=8, **arguments):
    model = small_network(units)
    log = train_model(model, TRAIN, VALIDATION, SIZE, settings, folder, 3, **arguments)
    return model.get_weights(), log


def cut_off_at(epoch, monkeypatch):
    """End a training as Ctrl-C does; what a kill leaves is seen in tests/crash."""

    def interrupt(self, number, logs=None):
        if number >= epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(EpochProgress, "on_epoch_begin", interrupt, raising=False)


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_that_was_cut_off_ends_with_the_same_weights(name, tmp_path, monkeypatch):
    settings = TrainingSettings(**{"epochs": 4, "batch_size": 16} | RECIPES[name])
    weights, log = train(settings, tmp_path / "whole")
    assert not list((tmp_path / "whole").rglob("*backup*"))
    for epoch in (1, 3):
        with monkeypatch.context() as patch:
            cut_off_at(epoch, patch)
            with pytest.raises(KeyboardInterrupt):
                train(settings, tmp_path / "cut")
        assert (tmp_path / "cut" / "classification_backup.npz").is_file()
        done = pd.read_csv(tmp_path / "cut" / "classification_log.csv")
        assert done["epoch"].tolist() == list(range(epoch))
    resumed_weights, resumed_log = train(settings, tmp_path / "cut")
    pd.testing.assert_frame_equal(resumed_log, log, check_exact=True)
    for one, other in zip(weights, resumed_weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list((tmp_path / "cut").rglob("*backup*"))


def test_a_finished_training_waits_for_its_model_to_be_saved(tmp_path, monkeypatch):
    settings = TrainingSettings(epochs=8, batch_size=16, learning_rate=0.3, patience=1)
    weights, log = train(settings, tmp_path, keep_backup=True)
    assert len(log) < 8  # it was stopped early
    cut_off_at(0, monkeypatch)  # no epoch is run again
    again, _ = train(settings, tmp_path, keep_backup=True)
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)
    forget_backup(tmp_path, "classification")
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path)


def test_the_backup_of_another_training_and_a_damaged_one_are_not_gone_on_with(tmp_path):
    settings = TrainingSettings(epochs=1, batch_size=16)
    expected, _ = train(settings, tmp_path / "alone")
    train(TrainingSettings(epochs=1, batch_size=8), tmp_path, keep_backup=True)
    with pytest.warns(
        UserWarning, match=r"other settings \(batch_size was 8, is 16\): this training begins anew"
    ):
        found, log = train(settings, tmp_path, keep_backup=True)
    assert log["epoch"].tolist() == [0]
    backup = tmp_path / "classification_backup.npz"
    backup.write_bytes(backup.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="can't be read .*: this training begins anew"):
        repaired, _ = train(settings, tmp_path)
    for one, two, three in zip(expected, found, repaired, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


STATE = {
    "settings": {"seed": 1, "affectkit": affectkit.__version__},
    "stopped": False,
    "rows": [{"epoch": 0, "loss": 0.5, "val_loss": float("nan")}],
    "best": {"wait": 0, "best": 0.5, "best_epoch": 0},
}


def load_backup(folder, state=STATE, save=np.savez, **arrays):
    save(folder / "backup.npz", state=np.array(json.dumps(state)), **arrays)
    backup = TrainingBackup(folder / "backup.npz", folder / "log.csv", {"seed": 1})
    return backup if backup.load() else None


def test_a_state_that_no_training_wrote_is_not_gone_on_with(tmp_path):
    assert len(load_backup(tmp_path).rows) == 1
    for change in (
        {"settings": [1]},
        {"rows": [[1]]},
        {"rows": [{"loss": "low"}]},
        {"best": {"on_epoch_end": 1}},  # is set on the callback by name
        {"best": {"wait": None}},
        {"stopped": 1},
    ):
        with pytest.warns(UserWarning, match="can't be read .*: this training begins anew"):
            assert load_backup(tmp_path, STATE | change) is None, change


def test_a_backup_that_unpacks_to_more_than_it_is_is_refused_unread(tmp_path):
    with pytest.warns(UserWarning, match="its members are packed"):
        assert load_backup(tmp_path, STATE, np.savez_compressed, variable0=np.zeros(10)) is None
    header = b"{'descr': '<U4', 'fortran_order': False, 'shape': (1099511627776,)}\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    with zipfile.ZipFile(tmp_path / "backup.npz", "w") as archive:
        archive.writestr("state.npy", start + header)
    backup = TrainingBackup(tmp_path / "backup.npz", tmp_path / "log.csv", {"seed": 1})
    with pytest.warns(UserWarning, match="has not the size that its header says"):
        assert not backup.load()


def test_weights_of_another_type_are_refused_before_any_is_set(tmp_path):
    model = small_network()
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    values = [np.asarray(value) for value in [*model.variables, *model.optimizer.variables]]
    arrays = {f"variable{number}": value for number, value in enumerate(values)}
    load_backup(tmp_path, **arrays).restore(model)
    before = model.get_weights()
    last = f"variable{len(values) - 1}"
    backup = load_backup(tmp_path, **(arrays | {last: arrays[last].astype(str)}))
    with pytest.raises(ValueError, match="is of a model of another form"):
        backup.restore(model)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_where_nothing_may_be_lost_another_or_damaged_backup_is_refused(tmp_path):
    load_backup(tmp_path)
    file = tmp_path / "backup.npz"

    def refuse(settings, told):
        backup = TrainingBackup(file, tmp_path / "log.csv", settings, begin_anew=False)
        with pytest.raises(ValueError, match=told):
            backup.load()

    refuse({"seed": 2, "alpha": 1}, "other settings: seed was 1, is 2; alpha was None, is 1. Give")
    for content in (b"no zip", b""):
        file.write_bytes(content)
        refuse({"seed": 1}, "is not a backup of this training: delete it to start anew")


def test_what_differs_is_told_in_short():
    assert find_changes({"a": 1, "b": 2}, {"a": 1, "c": 3}) == [
        "c was None, is 3",
        "b was 2, is None",
    ]
    many = find_changes({}, {str(number): number for number in range(1, 12)})
    assert (len(many), many[-1]) == (9, "and 3 more")
    assert short_hash("a", np.zeros(3)) == short_hash("a", np.zeros(3))
    others = [("a", np.ones(3)), ("b", np.zeros(3)), ("a",), ("a", repr(np.zeros(3)))]
    assert short_hash("a", np.zeros(3)) not in {short_hash(*parts) for parts in others}
    assert short_hash("ab", "c") != short_hash("a", "bc")


def test_a_learning_rate_too_high_ends_the_training_with_advice(tmp_path):
    settings = TrainingSettings(epochs=3, batch_size=16, learning_rate=1e38)
    message = (
        r"the loss became (nan|inf) in epoch [123], batch [123], at a learning rate of 1e\+38: "
        r"lower the learning_rate .*, look for NaN in labels and loss weights, .* mixed precision"
    )
    with pytest.raises(ValueError, match=message):
        train(settings, tmp_path, units=2)


def test_start_weights_that_are_nan_end_the_training_in_its_first_batch(tmp_path):
    model = small_network()
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    settings = TrainingSettings(epochs=1, batch_size=16)
    with pytest.raises(ValueError, match="became nan in epoch 1, batch 1, at"):
        train_model(model, TRAIN, VALIDATION, SIZE, settings, tmp_path)


def test_a_target_that_is_nan_is_refused_before_training(tmp_path):
    table, faces = TRAIN
    table = table.copy()
    table.loc[3, "valence"] = np.nan
    with pytest.raises(ValueError, match="1 of 40 rows of 'noise' have no valence and arousal"):
        train_model(
            small_network(2), (table, faces), VALIDATION, SIZE, TrainingSettings(), tmp_path
        )
