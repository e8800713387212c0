"""Transfer content between files and the blob store: upload, download, verification and sweeps.

A *sweep* removes content that no event refers to; `catactl blob gc` runs it. This package may
import everything below it, but not `cli`, `config` or `doctor`.
"""
