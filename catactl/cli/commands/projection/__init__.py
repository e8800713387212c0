"""The commands `catactl projection …`."""
