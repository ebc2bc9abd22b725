//! Models of gc-core's protocol types; see `tests/` and the table in `README.md`.
