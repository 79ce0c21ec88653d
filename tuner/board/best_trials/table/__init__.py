"""The table of trials that the tab shows: rows, columns and values, their order, and the search."""
