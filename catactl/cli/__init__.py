"""The command line. May import all packages. No other package imports it."""
