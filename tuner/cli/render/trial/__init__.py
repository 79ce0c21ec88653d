"""One trial on a screen: what became of it, and why it was proposed."""
