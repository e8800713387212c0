"""Tests of the whole program, one topic per file. The folders mirror `catactl/cli/`."""
