"""How mixnet-nano, the zoo's own model, is made: its architecture, its images and its training.

Run it from the root of a checkout: ``python -m training.train_nano``. It needs tensorflow, numpy and pillow. The
package ``mixnet_tools`` does not import it.
"""
