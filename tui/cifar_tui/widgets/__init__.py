"""What the screens are made of: one widget a module, and the pure drawing behind it."""
