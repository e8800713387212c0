"""The commands `catactl file …`."""
