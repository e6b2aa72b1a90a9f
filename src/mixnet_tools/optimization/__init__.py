"""Makes an IR faster without changing what it computes: rewrites of the graph, and kernels chosen for one processor."""
