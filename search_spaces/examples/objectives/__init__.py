"""The objectives of the example studies beside this package."""
