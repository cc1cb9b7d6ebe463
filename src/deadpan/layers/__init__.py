"""Parts of networks that know tensors and nothing of this project."""
