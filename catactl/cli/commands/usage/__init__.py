"""The commands `catactl usage …`, and what several of them share."""
