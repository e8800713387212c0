"""Tests. The folders mirror `catactl/`; `fixtures/` has databases, buckets and the command line.

`faults/` breaks connections, servers and settings; `benchmarks/` measures and is not run by pytest.
"""
