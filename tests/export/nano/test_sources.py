"""The scripts of a bundle: Python 3.6, nothing else of the kit, and the kit's preprocessing."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.export.nano.sources import FOLDER, preprocessing_source, script_sources
from affectkit.preprocess import Preprocessing, crop_face, scale_pixels


def run_vermin(*paths):
    command = [Path(sys.executable).parent / "vermin", "--target=3.6-", "--violations", *paths]
    return subprocess.run(command, capture_output=True, text=True)


def test_scripts_are_python_3_6(bundle, tmp_path):
    paths = sorted(bundle.glob("*.py"))
    assert {path.name for path in paths} == script_sources().keys()
    done = run_vermin(*paths)
    assert done.returncode == 0, done.stdout
    newer = tmp_path / "newer.py"
    newer.write_text("if (n := 3):\n    print(n)\n")
    assert run_vermin(newer).returncode != 0


def test_scripts_compile_on_python_3_6(bundle, run_script, environments):
    interpreter = environments.find_interpreter("3.6")
    if interpreter is None:
        pytest.skip("NOT RUN, NOT PASSED: no Python 3.6")
    code = "import sys; [compile(open(p).read(), p, 'exec') for p in sys.argv[1:]]"
    run_script(interpreter, "-c", code, *sorted(bundle.glob("*.py")))


def test_scripts_import_nothing_else():
    allowed = {path.stem for path in FOLDER.glob("*.py")} | {"face_preprocessing"}
    allowed |= {"cv2", "numpy", "tensorflow", *sys.stdlib_module_names}
    allowed.add("tensorrt")  # comes with JetPack; asked for its version only
    for name, source in script_sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                modules = [node.module]
            else:
                continue
            assert {module.partition(".")[0] for module in modules} <= allowed, name


@pytest.fixture(scope="module")
def copied():
    """The preprocessing of a bundle, as a module."""
    namespace: dict = {}
    exec(compile(preprocessing_source(), "face_preprocessing.py", "exec"), namespace)
    return namespace


@settings(deadline=None, max_examples=60)
@given(
    box=st.tuples(st.floats(-50, 110), st.floats(-50, 90), st.floats(1, 300), st.floats(1, 300)),
    size=st.integers(32, 96),
    margin=st.floats(0, 0.5),
    grey=st.booleans(),
)
def test_copied_preprocessing_is_the_kits(copied, box, size, margin, grey):
    picture = np.random.default_rng(1).integers(0, 256, (100, 120, 3), np.uint8)
    ours = Preprocessing(image_size=size, crop_margin=margin, grey=grey)
    theirs = copied["Preprocessing"](**ours.to_dict())
    try:
        expected = crop_face(picture, box, ours)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error)[:40])):
            copied["crop_face"](picture, box, theirs)
        return
    found = copied["crop_face"](picture, box, theirs)
    np.testing.assert_array_equal(found, expected)
    scaled = copied["scale_pixels"](found.astype(np.float32))
    np.testing.assert_array_equal(scaled, scale_pixels(expected.astype(np.float32)))
