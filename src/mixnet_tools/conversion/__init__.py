"""From a downloaded model to OpenVINO IR: plan, freeze, convert, compare."""
