"""The commands `catactl org …`."""
