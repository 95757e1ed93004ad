"""The scripts that run on a Jetson Nano; `affectkit export --format nano` copies them.

They are plain Python 3.6 on NumPy, OpenCV and TensorFlow 1.15 to 2.7, and import nothing else of
the kit: in a bundle they lie side by side, with `face_preprocessing.py`, which
`affectkit.export.nano.sources` cuts out of `affectkit.preprocess`.
"""
