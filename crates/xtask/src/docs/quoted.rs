//! Files that pages show. The block of code after `<!-- file: PATH -->` is that
//! file of the checkout, so that what operators copy is what tests install.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::step;

const BEGIN: &str = "<!-- file: ";
const END: &str = " -->";
const FENCE: &str = "```";

/// Each page in `docs`, with the files that it shows as they are now.
pub(super) fn render() -> Result<Vec<(PathBuf, String)>> {
    let checkout = step::checkout();
    let mut pages = Vec::new();
    for entry in fs::read_dir(checkout.join("docs"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let read = |name: &str| {
            let path = checkout.join(name);
            fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let text = quote(&fs::read_to_string(&path)?, read);
        let text = text.with_context(|| format!("{} shows a file", path.display()))?;
        pages.push((path, text));
    }
    pages.sort();
    Ok(pages)
}

/// The page with every such block replaced.
fn quote(page: &str, read: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut text = String::with_capacity(page.len());
    let mut lines = page.split_inclusive('\n');
    while let Some(line) = lines.next() {
        text += line;
        let Some(name) = line.trim_end().strip_prefix(BEGIN).and_then(|line| line.strip_suffix(END)) else {
            continue;
        };
        let fence = lines.next().filter(|line| line.starts_with(FENCE));
        let Some(fence) = fence else { bail!("a block of code must follow `{BEGIN}{name}{END}`") };
        let Some(end) = lines.find(|line| line.trim_end() == FENCE) else {
            bail!("the block of `{name}` does not end");
        };
        text += fence;
        text += &read(name)?;
        text += end;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(page: &str) -> Result<String> {
        quote(page, |name| Ok(format!("the file {name}\n")))
    }

    #[test]
    fn the_block_after_the_mark_is_the_file() {
        let page = "one\n<!-- file: a/b -->\n```ini\nold\nold\n```\ntwo\n```\nnot a file\n```\n";
        let expected = "one\n<!-- file: a/b -->\n```ini\nthe file a/b\n```\ntwo\n```\nnot a file\n```\n";
        assert_eq!(quoted(page).expect("a page"), expected);
        assert_eq!(quoted(expected).expect("a page"), expected, "fresh stays fresh");
    }

    #[test]
    fn a_mark_without_its_block_is_told() {
        for page in ["<!-- file: a -->\ntext\n", "<!-- file: a -->", "<!-- file: a -->\n```\nopen\n"] {
            assert!(quoted(page).is_err(), "{page}");
        }
    }
}
