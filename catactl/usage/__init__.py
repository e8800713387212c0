"""Storage usage: proved and mended, at any time in the past, over any period, explained."""
