"""The commands `catactl usage …`, and code that several of them share."""
