"""One trial on a screen: its result, and why it was proposed."""
