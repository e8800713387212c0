"""The commands `catactl db …`."""
