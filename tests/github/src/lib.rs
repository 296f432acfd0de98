//! A GitHub that is not there, for tests and the demo.
