//! `berthd`.

fn main() {}
