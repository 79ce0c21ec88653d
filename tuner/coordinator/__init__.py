"""One loop: collect, expire, retry, propose, dispatch. Its memory can be rebuilt from the Storage."""
