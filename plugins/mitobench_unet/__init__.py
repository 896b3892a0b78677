"""Built-in plugin; see its descriptors below."""
