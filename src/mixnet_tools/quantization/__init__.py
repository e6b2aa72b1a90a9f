"""Post-training quantization to INT8: an IR and images of its kind to a quantized IR with its accuracy table."""
