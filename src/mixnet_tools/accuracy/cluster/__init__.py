"""Evaluate on the workers of a Dask cluster: images are measured there, figures and files are made here.

``evaluate`` is the stage, ``connection`` connects to the cluster, ``workers`` knows which workers take part, ``worker``
is the code that runs there, ``transfer`` gets models there, ``tasks`` sends out the images, and ``failure_policy`` is
the table of what happens when something fails.
"""

DEFAULT_SHARD_SIZE = 128
"""Images in a task. Larger shards cost less per image; with smaller ones the last workers end nearly together."""

DEFAULT_WAIT = 60.0
"""Seconds to wait for a worker that can take part."""
