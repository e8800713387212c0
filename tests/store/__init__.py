"""Tests of the event log, the stored states, the codec and the migrations."""
