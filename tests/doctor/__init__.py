"""Tests of the examinations, through `catactl doctor`."""
