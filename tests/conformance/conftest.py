"""The runners need runtimes that the environment of the tests does not hold."""

collect_ignore = ["runners"]
