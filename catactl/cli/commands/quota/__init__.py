"""The commands `catactl quota …`."""
