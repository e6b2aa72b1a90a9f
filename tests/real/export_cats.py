"""Exports the Keras model of the package catsordogs as a SavedModel: `python export_cats.py MODEL.h5 FOLDER`.

The package makes a picture grey and divides it by 255, and calls an answer of less than 0.5 a cat. Both become a part
of the graph: it takes RGB, and answers with the probabilities of cat and dog.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    import keras

    model = keras.saving.load_model(sys.argv[1], compile=False)
    image = keras.Input((256, 256, 3), name="image")
    dog = model(keras.ops.image.rgb_to_grayscale(image) / 255)
    keras.Model(image, keras.ops.concatenate([1 - dog, dog], axis=-1)).export(sys.argv[2])
