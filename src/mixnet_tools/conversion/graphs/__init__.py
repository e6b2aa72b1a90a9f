"""TensorFlow graphs as protobuf messages: read, cut, pruned, without TensorFlow."""
