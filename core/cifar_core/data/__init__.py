"""The images: found, checked, decoded and split."""
