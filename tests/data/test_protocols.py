"""Which rows each protocol keeps, on tables with the published composition."""

import warnings

import numpy as np
import pytest

from affectkit.data import make_table
from affectkit.data.protocols import PROTOCOLS, apply_protocol, default_protocol, get_protocol


def affectnet(prefix="1/", contempt=500):
    """AffectNet's validation split by its published counts, and one training row a class."""
    counts = [500] * 7 + [contempt, 500, 500, 500]
    codes = np.concatenate([np.repeat(np.arange(11), counts), np.arange(11)])
    split = ["test"] * sum(counts) + ["train"] * 11
    values = np.where(codes > 8, np.nan, 0.25)
    ids = [f"{prefix}{number}.jpg" for number in range(len(codes))]
    columns = {"image_id": ids, "expression": codes, "valence": values, "arousal": values}
    return make_table(columns | {"split": split}, "affectnet")


@pytest.mark.parametrize(
    ("name", "test_rows", "train_codes"),
    [
        ("affectnet-4000", 4000, list(range(8))),
        ("affectnet-4500-va", 4500, list(range(9))),
        ("affectnet-3500-7class", 3500, list(range(7))),
        ("all", 5500, list(range(11))),
    ],
)
def test_rows_of_the_original_release(name, test_rows, train_codes):
    table = affectnet()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = apply_protocol(table, name)
    assert (kept["split"] == "test").sum() == test_rows
    assert kept.loc[kept["split"] == "train", "expression"].tolist() == train_codes
    assert kept.attrs == {"dataset": "affectnet", "protocol": name}
    assert table.attrs["protocol"] == ""
    assert kept.index.tolist() == list(range(len(kept)))


def test_reduced_release_and_default_protocols():
    table = affectnet("val_set/images/", contempt=499)
    assert default_protocol("affectnet", table) == "affectnet-3999"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (apply_protocol(table, "affectnet-3999")["split"] == "test").sum() == 3999
    assert default_protocol("affectnet", affectnet()) == "affectnet-4000"
    assert default_protocol("ferplus", table) == "ferplus-majority"
    assert default_protocol("folder", table) == "folder"
    assert default_protocol("affectfaces", table) == "affectfaces"


def test_contempt_is_dropped_and_never_remapped():
    table = affectnet()
    kept = apply_protocol(table, "affectnet-3500-7class")
    joined = kept.merge(table, on="image_id", suffixes=("", "_before"))
    assert (joined["expression"] == joined["expression_before"]).all()
    assert 7 not in set(kept["expression"])


def test_rows_without_valence_and_arousal_do_not_count_for_them():
    table = affectnet()
    table.loc[0, "valence"] = np.nan
    with pytest.warns(UserWarning, match="4500 test rows, 4499 were found"):
        kept = apply_protocol(table, "affectnet-4500-va")
    assert "1/0.jpg" not in set(kept["image_id"])


def test_another_number_of_test_rows_warns_but_goes_on():
    with pytest.warns(UserWarning, match=r"3999 test rows, 4000 were found.*not comparable"):
        assert len(apply_protocol(affectnet(), "affectnet-3999")) == 4008


def test_unknown_names_and_other_data_sets():
    with pytest.raises(ValueError, match=r"expected a protocol of affectnet-4000, .*'affectnet-1'"):
        apply_protocol(affectnet(), "affectnet-1")
    with pytest.raises(ValueError, match=r"belongs to data set 'ferplus'.* of affectnet-4000"):
        apply_protocol(affectnet(), "ferplus-majority")
    assert get_protocol("ferplus-majority").dataset == "ferplus"


def test_registry_names():
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())
    assert all(protocol.description for protocol in PROTOCOLS.values())
