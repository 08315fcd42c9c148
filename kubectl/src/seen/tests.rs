//! Reports from objects.
