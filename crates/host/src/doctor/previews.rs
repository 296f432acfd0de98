//! The records of previews against the host.

use super::Finding;
use crate::host::Host;
use crate::previews::{self, Strays};

const PREVIEWS: &str = "previews";

pub(super) async fn check(host: &Host) -> Vec<Finding> {
    if host.config.preview.is_none() {
        return Vec::new();
    }
    match previews::strays(host).await {
        Ok(Strays { found, unknown }) if found.is_empty() && unknown.is_empty() => {
            vec![Finding::ok(PREVIEWS, "they are as the records say")]
        }
        Ok(Strays { found, unknown }) => {
            let found = found.into_iter().map(|stray| Finding::fixable(PREVIEWS, stray.to_string()));
            found.chain(unknown.iter().map(|error| Finding::unknown(PREVIEWS, error))).collect()
        }
        Err(error) => vec![Finding::unknown(PREVIEWS, &error)],
    }
}
