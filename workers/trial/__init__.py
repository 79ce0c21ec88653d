"""The process of a trial, and its worker at the other end of the channel."""
