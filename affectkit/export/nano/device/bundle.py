"""The bundle that a Nano gets: its description, its hashes, its golden faces.

python3 bundle.py                        checks every file
python3 bundle.py --frozen-graphs DIR    writes the frozen graphs as files of their own
python3 bundle.py --onnx DIR             writes the ONNX files, for trtexec
"""

import argparse
import hashlib
import json
import operator
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

VERSION = 1
DESCRIPTION = "bundle.json"
REFUSED = 2
"""Exit code when something has to be mended first."""

RELEASES = {"R32": (8, 2), "R34": (8, 4), "R35": (8, 4), "R36": (8, 6), "R38": (10, 13)}
"""At least so new is TensorRT in a release of Jetson Linux: JetPack 4.6, 5, 6 and 7."""

FORMS = {
    "frozen_graph": "frozen graph",
    "onnx": "ONNX file",
    "onnx_float16": "ONNX file in float16",
}
SUFFIXES = {"frozen_graph": ".pb", "onnx": ".onnx", "onnx_float16": ".float16.onnx"}

TYPES = {"float32": "<f4", "float16": "<f2"}
"""Of weights in an ONNX file."""

DAMAGED = (
    OSError, ValueError, EOFError, LookupError, TypeError, AttributeError, RuntimeError,
    MemoryError, OverflowError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a spoilt file raises."""


class RefusalError(Exception):
    """Says what is wrong and what to do."""


class Bundle(object):
    """A bundle's folder, the content of bundle.json, and what that says of each network by name."""

    def __init__(self, folder):
        self.folder = Path(str(folder))
        path = self.folder / DESCRIPTION
        if not path.is_file():
            raise RefusalError(
                "{} has no {}: copy the whole folder that `affectkit export --format nano` "
                "wrote, and start the scripts that lie in it".format(self.folder, DESCRIPTION)
            )
        try:
            self.description = json.loads(path.read_text(encoding="utf-8"))
            self.networks = self.description["networks"]
            version = self.description["bundle_version"]
            for entry in self.description["files"]:
                self.place(entry["name"])
                entry["sha256"] + entry["part"]  # both are text
            for network in self.networks.values():
                network.items()
        except DAMAGED as error:
            raise RefusalError(
                "{} is damaged ({}): copy it again".format(path, repr(error)[:200])
            ) from error
        if version != VERSION:
            raise RefusalError(
                "{} is a bundle of version {!r}, these scripts are for {}: copy scripts and "
                "bundle from one export".format(path, version, VERSION)
            )

    def place(self, name):
        """Give the path of a file of the bundle, which must lie in its folder."""
        parts = PurePosixPath(name).parts
        strange = [part for part in parts if part == ".." or len(part.encode("utf-8")) > 255]
        if not parts or strange or name.startswith("/") or "\\" in name or "\0" in name:
            raise ValueError("{!r} is no file of the bundle".format(name[:80]))
        return self.folder / name

    def check(self, parts=None):
        """Refuse if a file is missing or not what was exported; all files, or those of parts."""
        for entry in self.description["files"]:
            if parts is not None and entry["part"] not in parts:
                continue
            path = self.place(entry["name"])
            if not path.is_file():
                raise RefusalError(
                    "{} is missing in {}: copy the bundle again".format(entry["name"], self.folder)
                )
            if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
                raise RefusalError(
                    "{} is not the file that was exported (SHA-256 differs): copy the bundle "
                    "again".format(path)
                )

    def choose(self, names=None):
        """Give the description of the networks that are named, or of all."""
        for name in names or []:
            if name not in self.networks:
                raise RefusalError(
                    "this bundle has the networks {}; there is no {}".format(
                        ", ".join(sorted(self.networks)), name
                    )
                )
        return {name: self.networks[name] for name in sorted(names or self.networks)}

    def golden(self):
        """Read the golden faces: uint8 (n, size, size, 3), RGB; answers, float32 (n, units) each.

        picture, boxes and crops: what `crop_face` must make of them.
        """
        path = self.folder / "golden.npz"
        try:
            with np.load(str(path), allow_pickle=False) as content:
                return {name: content[name] for name in content.files}
        except DAMAGED as error:
            raise RefusalError("{} is damaged ({}): copy it again".format(path, error)) from error

    def frozen_graph(self, name):
        """Give the bytes of a network's frozen graph, which lies inside its saved_model.pb."""

        def read(place):
            content = self.place(place["file"]).read_bytes()
            return content[place["offset"] : place["offset"] + place["bytes"]]

        return self._read_checked(name, "frozen_graph", read)

    def onnx(self, name, form="onnx"):
        """Give the bytes of a network's ONNX file: its rest, and the weights of the SavedModel."""

        def read(place):
            rest = self.place(place["rest"]).read_bytes()
            saved_model = self.place(place["weights_in"]).read_bytes()
            kind = place.get("type", "float32")
            return put_in_weights(rest, saved_model, place["weights"], kind)

        return self._read_checked(name, form, read)

    def _read_checked(self, name, form, read):
        """Read a form of a network from where bundle.json says it is, and compare the hash."""
        what = "the {} of {}".format(FORMS[form], name)
        try:
            place = self.networks[name][form]
            content = read(place)
            known = place["sha256"]
        except DAMAGED as error:
            raise RefusalError(
                "{} can't be put together ({}): copy the bundle again".format(
                    what, repr(error)[:200]
                )
            ) from error
        if hashlib.sha256(content).hexdigest() != known:
            raise RefusalError(
                "{} is not the one that was exported (SHA-256 differs): copy the bundle "
                "again".format(what)
            )
        return content


def put_in_weights(rest, saved_model, weights, kind="float32"):
    """Put a file together from its rest and the weights that lie in a SavedModel's file.

    Of each weight, in the file's order: "at", its place in the file; "from", its place there;
    "shape", of float32 there; "axes", their order in the file, where they are of a type of `TYPES`.
    ValueError if that does not fit.
    """
    pieces, used, length = [], 0, 0
    for one in weights:
        gap = one["at"] - length
        count = 1
        for size in one["shape"]:
            count *= operator.index(size)
        if not (0 <= gap <= len(rest) - used and 0 < count <= len(saved_model) // 4):
            raise ValueError("a weight has no place at {!r}".format(one["at"]))
        weight = np.frombuffer(saved_model, "<f4", count, one["from"])
        weight = weight.reshape(one["shape"]).transpose(one["axes"]).astype(TYPES[kind]).tobytes()
        pieces += [rest[used : used + gap], weight]
        used += gap
        length = one["at"] + len(weight)
        if length - used > len(saved_model):
            raise ValueError("the weights are more than {} bytes".format(len(saved_model)))
    return b"".join([*pieces, rest[used:]])


def find_tensorrt(root="/"):
    """Give TensorRT's version, (major, minor): what Python sees, or the release brings; or None."""
    try:
        import tensorrt

        return tuple(int(part) for part in tensorrt.__version__.split(".")[:2])
    except ImportError:
        pass
    try:
        release = (Path(root) / "etc" / "nv_tegra_release").read_text(errors="replace")
    except OSError:
        return None
    return RELEASES.get(release.strip("# ").split(" ")[0])


def trtexec_command(stem, version):
    """Give the command line that builds an engine in float16; of new TensorRT if None."""
    typed = version is None or version >= (10, 0)  # those before round float32 themselves
    suffix = SUFFIXES["onnx_float16" if typed else "onnx"]
    options = ["--onnx={}{}".format(stem, suffix), "--stronglyTyped" if typed else "--fp16"]
    old = version is not None and version < (8, 4)
    options.append("--workspace=64" if old else "--memPoolSize=workspace:64")
    options.append("--saveEngine={}.engine".format(stem))
    return " ".join(["trtexec", *options, "--warmUp=500", "--iterations=1000"])


def run(main, arguments=None):
    """Run a script's main function; gives its exit code, `REFUSED` with a message if it refuses."""
    try:
        return main(arguments)
    except RefusalError as refusal:
        sys.stderr.write("Refused: {}\n".format(refusal))
        return REFUSED


def add_bundle_option(parser):
    """Add --bundle: by default the folder of the scripts."""
    here = Path(__file__).resolve().parent
    parser.add_argument("--bundle", type=Path, default=here, help="folder with bundle.json")


def main(arguments=None):
    """Check a bundle, or write its frozen graphs or ONNX files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_bundle_option(parser)
    parser.add_argument("--frozen-graphs", type=Path, help="folder for NAME.pb of each network")
    parser.add_argument(
        "--onnx", type=Path, help="folder for NAME.onnx and NAME.float16.onnx of each network"
    )
    options = parser.parse_args(arguments)
    bundle = Bundle(options.bundle)
    bundle.check()
    print("{} files are as they were exported".format(len(bundle.description["files"])))
    for folder, read, forms in (
        (options.frozen_graphs, lambda name, _: bundle.frozen_graph(name), ["frozen_graph"]),
        (options.onnx, bundle.onnx, ["onnx", "onnx_float16"]),
    ):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            for name in sorted(bundle.networks):
                for form in forms:
                    path = folder / (name + SUFFIXES[form])
                    path.write_bytes(read(name, form))
                    print("wrote {}".format(path))
    if options.onnx:
        for name in sorted(bundle.networks):
            print("build it: {}".format(trtexec_command(options.onnx / name, find_tensorrt())))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
