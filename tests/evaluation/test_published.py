import numpy as np
import pytest

from affectkit.data.protocols import PROTOCOLS
from affectkit.evaluation import published_results
from affectkit.evaluation.published import _CLASSIFIERS, _REGRESSORS

# rows true, columns predicted: the predecessor's matrix on AffectNet's 4,000 validation faces
PREDECESSOR_DIAGONAL = (280, 371, 314, 293, 312, 269, 293, 265)


def test_every_line_names_a_protocol_and_a_share():
    for protocol, name, *values in (*_CLASSIFIERS, *_REGRESSORS):
        assert protocol in PROTOCOLS
        assert name
        assert all(0.3 < value < 1 for value in values)


def test_the_predecessor_is_what_its_matrix_says():
    table = published_results("affectnet-4000", "classification")
    (accuracy,) = table.loc[table.index.str.contains("predecessor"), "accuracy"]
    assert accuracy == pytest.approx(np.sum(PREDECESSOR_DIAGONAL) / 4000, abs=5e-5)


def test_nothing_is_given_for_other_rows():
    assert published_results("affectnet-4000 (subset of 100)", "classification").empty
    assert list(published_results("affectfaces", "regression")) == ["valence_ccc", "arousal_ccc"]
    assert len(published_results("affectnet-4500-va", "regression")) == 3
