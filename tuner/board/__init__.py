"""TensorBoard on one study: shows vetted files only, confined by the kernel if possible."""
