"""The Python API: one function for each stage. ``mixnet_tools`` exports what is here.

A stage's function finds the model's descriptor as the commands do, runs the stage, and returns a frozen value. Nothing
is printed. Errors are :class:`mixnet_tools.MixnetToolsError`. This package may import every stage.
"""
