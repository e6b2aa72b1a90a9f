"""What a zoo says of a model: model.yml, card, labels, and where descriptors lie."""
