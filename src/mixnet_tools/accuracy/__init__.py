"""Measure top-1 and top-5 of a classifier, original and converted, and judge the result against its references.

``datasets`` finds labelled images, ``preprocessing`` turns an image into an array, ``launchers`` run a model,
``metrics`` count, ``evaluation`` ties them into the stage, ``reports`` show its result and ``gate`` judges it.
``classification`` says what is in images without labels. This file imports none of them, so that a command's ``--help``
stays quick.
"""

PROFILES = ("omz", "timm", "tpu-bicubic", "tpu-bilinear")
"""Preprocessing profiles. ``omz``: the steps of the model's own accuracy-check.yml, carried out as OMZ does. The others
are :mod:`.profiles`'s subject.
"""

LAUNCHERS = ("openvino", "tf", "onnx")
"""What can run a model: the converted one (OpenVINO), and the original (TensorFlow or ONNX Runtime)."""
