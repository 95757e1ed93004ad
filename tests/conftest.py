"""Fixtures that several test modules use."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from affectkit.machine import peak_memory

if TYPE_CHECKING:
    import keras

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("busy", deadline=None)  # no test may depend on an idle machine
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def loudness_put_back() -> Iterator[None]:
    """Put back what -v and -q of commands that ran in this process tell processes to come."""
    before = {name: os.environ.get(name) for name in ("TF_CPP_MIN_LOG_LEVEL", "TQDM_DISABLE")}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of data that is not in the repository; skips where it is absent, fails in CI."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("AFFECTKIT_SHARED", beside))
    if not (folder / "data").is_dir():
        message = "needs the shared data (AFFECTKIT_SHARED, or ../shared beside the repository)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the kit's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("affectkit-*.whl")
    return path


@pytest.fixture(scope="session")
def install_wheel(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Callable[..., str]]:
    """Install the wheel into a clean environment; gives what runs `affectkit` there.

    It runs in a folder of its own, outside any checkout, and knows nothing of this environment.
    """

    def install(*options: str) -> Callable[..., str]:
        folder = tmp_path_factory.mktemp("clean")
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "VIRTUAL_ENV", "JUPYTER_PATH")
        }
        uv = [sys.executable, "-m", "uv"]
        home = folder / "environment"
        for command in (
            [*uv, "venv", "--quiet", "--python", sys.base_prefix, home],
            [*uv, "pip", "install", "--quiet", "--python", home, *options, wheel],
        ):
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            assert done.returncode == 0, done.stderr

        def run(*arguments: object, exit_code: int = 0) -> str:
            command = [home / "bin" / "affectkit", *map(str, arguments)]
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, cwd=folder
            )
            told = arguments, done.stdout[-3000:], done.stderr[-3000:]
            assert done.returncode == exit_code, told
            return done.stdout + (done.stderr if exit_code else "")

        run.folder = folder
        return run

    return install


def small_backbone() -> keras.Model:
    """MobileNet's layers, few of them: converted in a moment."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    layers = inputs
    for filters in (16, 32, 64):
        layers = keras.layers.Conv2D(filters, 3, 2, "same", use_bias=False)(layers)
        layers = keras.layers.BatchNormalization()(layers)
        layers = keras.layers.ReLU(6.0)(layers)
        layers = keras.layers.DepthwiseConv2D(3, padding="same")(layers)
    pooled = keras.layers.GlobalAveragePooling2D()(layers)
    return keras.Model(inputs, pooled, name="backbone")


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course's run folder: two networks on one backbone, whose heads tell faces apart well."""
    import keras
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression, Ridge

    from affectkit.data import load_faces, load_table
    from affectkit.models import build_regressor, get_backbone, save_model
    from affectkit.preprocess import Preprocessing, scale_pixels

    preprocessing = Preprocessing(32, crop_margin=0.05, grey=True)
    folder = tmp_path_factory.mktemp("runs") / "course"
    faces = keras.Input((32, 32, 3), name="face")
    head = keras.layers.Dense(8, "softmax", name="expression")
    classifier = keras.Model(faces, head(small_backbone()(faces)))
    regressor = build_regressor(classifier)
    pixels, _ = load_faces(load_table("affectfaces", split="train", limit=400), preprocessing)
    features = get_backbone(classifier).predict(scale_pixels(pixels.astype("float32")), verbose=0)
    scale = features.std()
    groups = KMeans(8, n_init=1, random_state=0).fit_predict(features)
    expressions = LogisticRegression(C=0.3, max_iter=1000).fit(features / scale, groups)
    affect = Ridge(0.1).fit(features / scale, PCA(2, whiten=True).fit_transform(features) / 2)
    for name, fitted, model in (
        ("classifier", expressions, classifier),
        ("regressor", affect, regressor),
    ):
        model.layers[-1].set_weights([fitted.coef_.T / scale, fitted.intercept_])
        path, facts = folder / "models" / f"{name}.keras", {"dataset": "affectfaces"}
        save_model(model, path, preprocessing, facts, 1.5 if name == "classifier" else 1.0)
    return folder


@pytest.fixture
def untraced(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels run networks operation by operation.

    TensorFlow traces a network before its first step, which takes as long as hundreds of faces.
    """
    folder = tmp_path_factory.mktemp("ipython")
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True)
    code = "import tensorflow as tf\n\ntf.config.run_functions_eagerly(True)\n"
    (startup / "00_untraced.py").write_text(code, "utf-8")
    monkeypatch.setenv("IPYTHONDIR", str(folder))


@pytest.fixture(scope="session")
def variable_rate_video(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """An MP4 of six dark frames that are shown for different times, and these times in seconds."""
    import numpy as np

    from affectkit.pipeline import VideoWriter

    path = tmp_path_factory.mktemp("videos") / "variable.mp4"
    with VideoWriter(path, 25) as writer:
        for _ in range(6):
            writer.write(np.full((120, 160, 3), 40, np.uint8))
    _set_durations(path, [512 * length for length in (1, 2, 1, 15, 1, 1)])  # 12,800 a second
    return path, [start / 25 for start in (0, 1, 3, 4, 19, 20)]


def _set_durations(path: Path, durations: list[int]) -> None:
    """Rewrite the table of an MP4 that tells how long every frame is shown.

    OpenCV writes the index behind the pictures, so these stay where they are. A box (ISO/IEC
    14496-12) is its size, four letters, and what it holds.
    """
    content = bytearray(path.read_bytes())
    table = content.index(b"stts") - 4
    (old_size,) = struct.unpack_from(">I", content, table)
    entries = b"".join(struct.pack(">2I", 1, duration) for duration in durations)
    new = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(durations)) + entries
    content[table : table + old_size] = new
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):  # the boxes round it
        start = content.index(name) - 4
        (size,) = struct.unpack_from(">I", content, start)
        struct.pack_into(">I", content, start, size + len(new) - old_size)
    struct.pack_into(">I", content, content.index(b"elst") + 12, 1_000_000)  # show all of it
    path.write_bytes(content)


LONGEST = [
    "tests/courses/test_later_notebooks.py",
    "tests/courses/test_exercises.py",
    "tests/project/test_clean_environment.py",
    "tests/export/nano/test_legs.py",
    "tests/hostile/test_hostile_inputs.py",
    "tests/courses/test_evaluate_models.py",
    "tests/courses/test_affectnet_course.py",
    "tests/crash/test_kills.py",
    "tests/cli/test_cli.py",
    "tests/courses/test_folder_course.py",
    "tests/courses/test_ferplus_course.py",
    "tests/project/test_windows.py",
]
"""The files of `make test-all` that take minutes, longest first."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that both workers of pytest-xdist end at about one time."""
    for item in items:
        if item.path.suffix == ".ipynb":  # nbval's cells
            item.add_marker("notebooks")
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.location[0], len(LONGEST)))  # stable


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the main process how much memory this worker has had at most."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["peak_bytes"] = peak_memory()


PEAKS: list[int] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Keep what a worker said at its end."""
    PEAKS.append(getattr(node, "workeroutput", {}).get("peak_bytes", 0))


def pytest_terminal_summary(terminalreporter: object) -> None:
    """Say how much memory the workers have had."""
    if PEAKS:
        most = ", ".join(f"{peak / 1e9:.1f}" for peak in PEAKS)
        terminalreporter.write_line(f"most memory of a worker, GB: {most}")
