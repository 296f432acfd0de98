//! Reading what `nix build --json` prints.

use std::collections::BTreeMap;

use berth_core::StorePath;
use serde::Deserialize;

const STORE: &str = "/nix/store/";

/// One thing that was built. The fields around it differ between versions.
#[derive(Deserialize)]
struct Built {
    outputs: BTreeMap<String, String>,
}

/// The store paths of all outputs.
///
/// Nix up to 2.31 prints full paths; versions that leave the store's folder
/// away in their JSON are read too.
pub(super) fn parse(json: &[u8]) -> Result<Vec<StorePath>, serde_json::Error> {
    let built: Vec<Built> = serde_json::from_slice(json)?;
    let paths = built.into_iter().flat_map(|built| built.outputs.into_values());
    paths.map(|path| store_path(&path).map_err(serde::de::Error::custom)).collect()
}

/// A path with the store's folder or without.
pub(super) fn store_path(text: &str) -> Result<StorePath, berth_core::store_path::StorePathError> {
    if text.starts_with('/') { text.parse() } else { format!("{STORE}{text}").parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent";

    #[test]
    fn the_forms_of_all_versions_are_read() {
        for json in [
            // 2.8
            r#"[{"drvPath":"/nix/store/2rc4pqbnfwndz6y3nzxvbhd9cgqzpp2y-x.drv","outputs":{"out":"/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent"}}]"#,
            // 2.31, with the times of a build
            r#"[{"drvPath":"/nix/store/2rc4pqbnfwndz6y3nzxvbhd9cgqzpp2y-x.drv","outputs":{"out":"/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent"},"startTime":1,"stopTime":2}]"#,
            // Without the store's folder
            r#"[{"drvPath":"2rc4pqbnfwndz6y3nzxvbhd9cgqzpp2y-x.drv","outputs":{"out":"0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent"}}]"#,
        ] {
            let paths = parse(json.as_bytes()).expect(json);
            assert_eq!(paths.iter().map(StorePath::as_str).collect::<Vec<_>>(), [PATH]);
        }
    }

    #[test]
    fn what_is_no_store_path_is_refused() {
        for json in ["", "[]x", "{}", r#"[{"outputs":{"out":"/etc"}}]"#, r#"[{"outputs":{"out":null}}]"#] {
            assert!(parse(json.as_bytes()).is_err(), "{json}");
        }
        assert!(parse(b"[]").expect("a list").is_empty());
    }
}
