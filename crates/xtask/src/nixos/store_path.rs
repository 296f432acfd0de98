//! Paths of the store without what changes with every version.

const STORE: &str = "/nix/store/";
const HASH: usize = 32;

/// The text with `@NAME@` for each store path, where the name is that of the
/// package without its version.
pub(super) fn shortened(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(STORE) {
        short += &rest[..begin];
        let path = &rest[begin + STORE.len()..];
        let end = path.find(|char: char| !is_of_name(char)).unwrap_or(path.len());
        match path[..end].split_at_checked(HASH) {
            Some((_, name)) if name.starts_with('-') => {
                short += &format!("@{}@", without_version(&name[1..]));
            }
            _ => short += &rest[begin..begin + STORE.len() + end],
        }
        rest = &path[end..];
    }
    short + rest
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || "+-._?=".contains(char)
}

/// Without the version and what follows it: the name of an output.
fn without_version(name: &str) -> &str {
    let begins = |at: &usize| name[at + 1..].starts_with(|char: char| char.is_ascii_digit());
    name.match_indices('-').map(|(at, _)| at).find(begins).map_or(name, |at| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_path_is_its_package() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        for (name, short) in [
            ("berth-0.1.0/bin/berthd", "@berth@/bin/berthd"),
            ("systemd-255.4-bin/bin/x", "@systemd@/bin/x"),
            ("unit-script-container_-start/bin/y z", "@unit-script-container_-start@/bin/y z"),
            ("build-egress.nft", "@build-egress.nft@"),
            ("a-1:b", "@a@:b"),
        ] {
            assert_eq!(shortened(&format!("-/nix/store/{hash}-{name}")), format!("-{short}"));
        }
    }

    #[test]
    fn what_is_no_store_path_stays() {
        for text in ["", "/nix/store", "/nix/store/", "/nix/store/abc-1", "-/nix/var x"] {
            assert_eq!(shortened(text), text);
        }
    }
}
