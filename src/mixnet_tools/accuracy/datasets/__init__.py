"""Labelled images in every form: folders, tars, WebDataset, TFRecord, Parquet, here or behind a URL."""
