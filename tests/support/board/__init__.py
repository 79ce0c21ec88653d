"""Log directories and TensorBoards for tests of the tab Best trials."""
