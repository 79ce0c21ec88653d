"""TensorBoard on one study: shown vetted files only, confined by the kernel where it can be."""
