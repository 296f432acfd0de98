//! The records of previews against the host.

use super::Finding;
use crate::host::Host;
use crate::previews;

const PREVIEWS: &str = "previews";

pub(super) async fn check(host: &Host) -> Vec<Finding> {
    if host.config.preview.is_none() {
        return Vec::new();
    }
    match previews::strays(host).await {
        Ok(strays) if strays.is_empty() => vec![Finding::ok(PREVIEWS, "they are as the records say")],
        Ok(strays) => strays.into_iter().map(|stray| Finding::fixable(PREVIEWS, stray.to_string())).collect(),
        Err(error) => vec![Finding::unknown(PREVIEWS, &error)],
    }
}
