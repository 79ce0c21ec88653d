"""One loop: collect, expire, retry, propose, dispatch. The Storage can rebuild its memory."""
