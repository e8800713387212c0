"""The commands `catactl event …`."""
