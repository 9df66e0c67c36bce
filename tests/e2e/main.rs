//! The binaries together, as users meet them. Each test has its own system.
