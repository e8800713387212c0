"""The commands `catactl part …`."""
