"""Published results to read one's own beside, each under the protocol that it was measured with."""

from __future__ import annotations

import pandas as pd

_CLASSIFIERS = [
    ("affectnet-4000", "AlexNet (AffectNet paper, doi:10.1109/TAFFC.2017.2740923)", 0.58),
    ("affectnet-4000", "two MobileNetV2 at 224 px, 28 MB (affectkit's predecessor)", 0.5992),
    ("affectnet-4000", "EmotiEffLib enet_b0_8_va_mtl, 16 MB", 0.6193),
    ("affectnet-4000", "EmotiEffLib enet_b2_8, 30 MB", 0.6303),
    ("affectnet-4000", "POSTER++, 44 M parameters", 0.6377),
    ("affectnet-4000", "DDAMFN++", 0.6469),
    ("affectnet-3500-7class", "EmotiEffLib mobilenet_7, 14 MB", 0.6471),
    ("affectnet-3500-7class", "EmotiEffLib enet_b0_8_va_mtl, 16 MB", 0.6497),
    ("affectnet-3500-7class", "POSTER++, 44 M parameters", 0.6749),
    ("ferplus-majority", "VGG13, majority labels (arXiv:1608.01041, PrivateTest)", 0.8385),
    ("ferplus-majority", "VGG13, labels drawn from votes (arXiv:1608.01041, PrivateTest)", 0.8499),
    ("ferplus-majority", "SENet50 pretrained on faces (PrivateTest)", 0.888),
    ("ferplus-majority", "POSTER (PrivateTest)", 0.9162),
]
_REGRESSORS = [
    ("affectnet-4500-va", "two MobileNetV2 at 224 px (affectkit's predecessor)", 0.5822, 0.4630),
    ("affectnet-4500-va", "EmotiEffLib enet_b0_8_va_mtl, 16 MB", 0.594, 0.549),
    ("affectnet-4500-va", "CAGE MaxViT (combined)", 0.716, 0.642),
]


def published_results(protocol: str, task: str) -> pd.DataFrame:
    """Give what others report under a protocol.

    Parameters
    ----------
    protocol : str
        A name of `affectkit.data.protocols.PROTOCOLS`; a subset of it has no published results.
    task : {"classification", "regression"}
        Of the networks.

    Returns
    -------
    pandas.DataFrame
        A row a system, indexed by `name` like what `compare` gives: `accuracy`; or `valence_ccc`
        and `arousal_ccc`. Empty where nothing comparable is published. FER+'s numbers are of the
        PrivateTest images, which take the place of "test" when they are there.
    """
    if task == "classification":
        found = [line[1:] for line in _CLASSIFIERS if line[0] == protocol]
        columns = ["accuracy"]
    else:
        found = [line[1:] for line in _REGRESSORS if line[0] == protocol]
        columns = ["valence_ccc", "arousal_ccc"]
    return pd.DataFrame(found, columns=["name", *columns]).set_index("name").astype(float)
