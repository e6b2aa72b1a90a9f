"""Quantizes a float IR to INT8 after training, with a quantization calibration set, and reports what that costs."""
