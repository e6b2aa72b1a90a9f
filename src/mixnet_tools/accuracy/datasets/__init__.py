"""Labelled images in every form: folders, tars, WebDataset, TFRecord and Parquet files, on disk or behind a URL."""
