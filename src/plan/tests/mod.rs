//! Plans of hand-made objects.
