"""mixnet-info: what is known of models, of a zoo's faults, and of timm's classifiers."""
