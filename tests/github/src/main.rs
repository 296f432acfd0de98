//! The program `github-double`.
fn main() {}
