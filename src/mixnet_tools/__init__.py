"""Download, convert and check model-zoo models for OpenVINO."""

__version__ = "0.1.0"
