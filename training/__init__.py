"""How the zoo's own model, mixnet-nano, comes about: architecture, images and training.

Nothing under ``src/`` imports this package; it runs from the checkout's root and needs only
tensorflow, numpy and pillow. See ``training/train_nano.py`` for the one command.
"""
