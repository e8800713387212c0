"""Tests of blob stores: on a directory, on a server that speaks S3, and on full disks."""
