"""Real trained models and photos, from the package index: `make test-real`. Not a part of `make test`."""
