//! The `preview` program. What it does is in the library beside it, so that the
//! reference in `docs/` is generated from the same definition.

use std::process::ExitCode;

fn main() -> ExitCode {
    berth_preview::main()
}
