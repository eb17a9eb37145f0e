//! The one table of strategies.
