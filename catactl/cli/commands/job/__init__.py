"""The commands `catactl job …`."""
