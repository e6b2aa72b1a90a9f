"""An image file to the array that a model takes, as accuracy-check.yml and a profile say."""
