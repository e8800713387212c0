"""Tests of the whole program, one topic a file. The folders mirror `catactl/cli/`."""
