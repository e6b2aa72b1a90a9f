"""The same evaluation on the workers of a Dask cluster: images in shards there, answers back here, the same figures.

``address`` reads what --cluster says, ``connection`` reaches the cluster, ``parcels`` are models on their way to it,
``worker`` is what runs there, ``roster`` who takes part, ``shards``, ``sent`` and ``dispatch`` which images go out and
come back, and ``evaluate`` ties them into the stage. Which worker gets which shard, and what becomes of a dead
worker's, is Dask's part. This file imports none of them.
"""

DEFAULT_SHARD_SIZE = 128
"""Images in a task: long enough that a task's own cost does not count, short enough that the last ones end together.

Overhead per shard and the gain by larger ones are what benchmarks/cluster.py measures.
"""

DEFAULT_WAIT = 60.0
"""Seconds to wait for a worker that can take part."""
