"""A model over batches of images: the original in TensorFlow or ONNX Runtime, the converted one in OpenVINO."""
