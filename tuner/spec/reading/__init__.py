"""From the text of a file to a study spec, with every problem in its place."""
