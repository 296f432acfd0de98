//! Which path of a site goes to which port of the guest.

use std::cmp::Reverse;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Name;

/// The longest path, in bytes.
const PATH_MAX: usize = 200;
/// The most segments of a path.
const SEGMENTS_MAX: usize = 16;

/// A port of the guest and the paths that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Where it begins.
    pub path: RoutePath,
    /// Where the service listens inside.
    pub port: NonZeroU16,
    /// Whether the service sees the path without its beginning. Never with
    /// the path `/`, where there is nothing to leave out.
    pub strip_prefix: bool,
}

/// One more host of a preview: `PREFIX-SLUG.DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtraHost {
    /// What stands before the slug, at most [`PREFIX_MAX`](crate::slug::PREFIX_MAX) bytes.
    pub prefix: Name,
    /// What it serves; at least one.
    pub routes: Vec<Route>,
}

impl Route {
    /// What the service sees of a path that this route serves.
    pub fn seen_inside<'a>(&self, path: &'a str) -> &'a str {
        if !self.strip_prefix {
            return path;
        }
        match path.get(self.path.as_str().len()..) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => "/",
        }
    }
}

/// The most specific of `routes` that serves `path`.
pub(crate) fn most_specific<'a>(routes: &'a [Route], path: &str) -> Option<&'a Route> {
    routes.iter().filter(|route| route.path.covers(path)).max_by_key(|route| route.path.depth())
}

/// The routes in the order in which the first that serves a path is the most
/// specific one.
pub(crate) fn most_specific_first(routes: &[Route]) -> Vec<&Route> {
    let mut routes: Vec<&Route> = routes.iter().collect();
    routes.sort_by_key(|route| (Reverse(route.path.depth()), &route.path));
    routes
}

/// The beginning of a path: `/`, or whole segments without a final slash, such
/// as `/api/v2`.
///
/// The segments are made of `A-Z`, `a-z`, `0-9`, `.`, `_`, `~` and `-`, and
/// are neither `.` nor `..`. So nothing in it means anything in a Caddyfile,
/// a pattern or a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoutePath(String);

/// Why a text is not a path. The message names the text and the rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// The text does not begin with a slash.
    #[error("`{0}` does not begin with `/`")]
    NotAbsolute(String),
    /// The text has more than 200 bytes.
    #[error("has {length} characters: {PATH_MAX} is the most")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The path has more than 16 segments.
    #[error("has {count} segments: {SEGMENTS_MAX} is the most")]
    TooDeep {
        /// How many it has.
        count: usize,
    },
    /// A segment is empty, `.`, `..` or has a character that none may have.
    #[error(
        "`{path}` has the segment `{segment}`: segments are made of letters, digits, `.`, `_`, `~` and `-`"
    )]
    Segment {
        /// The text as given, with control characters escaped.
        path: String,
        /// The first bad segment, likewise.
        segment: String,
    },
}

impl RoutePath {
    /// The path as text: `/`, or without a final slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Whether `path` is this one or lies below it. Whole segments are
    /// compared, and upper and lower case are the same, as for Caddy.
    pub fn covers(&self, path: &str) -> bool {
        let own = self.0.trim_end_matches('/');
        path.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own))
            && matches!(path.as_bytes().get(own.len()), None | Some(b'/'))
    }

    /// Whether a request reaches both in the same way.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    fn depth(&self) -> usize {
        self.0.split('/').filter(|segment| !segment.is_empty()).count()
    }
}

/// Checks a path without a final slash; the empty one is the root.
pub(super) fn check_segments(path: &str, written: &str) -> Result<(), PathError> {
    let shown = |text: &str| text.escape_debug().to_string();
    if written.len() > PATH_MAX {
        return Err(PathError::TooLong { length: written.len() });
    }
    if !written.starts_with('/') {
        return Err(PathError::NotAbsolute(shown(written)));
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if let Some(segment) = segments.iter().find(|segment| !is_segment(segment)) {
        return Err(PathError::Segment { path: shown(written), segment: shown(segment) });
    }
    if segments.len() > SEGMENTS_MAX {
        return Err(PathError::TooDeep { count: segments.len() });
    }
    Ok(())
}

fn is_segment(segment: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain)
}

impl FromStr for RoutePath {
    type Err = PathError;

    /// `/api`, `/api/` and `/api/*` are three ways to write the same.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let path = text.strip_suffix("/*").or_else(|| text.strip_suffix('/')).unwrap_or(text);
        check_segments(path, text)?;
        Ok(Self(if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
    }
}

text_form!(RoutePath, PathError);

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RoutePath {
        text.parse().expect(text)
    }

    #[test]
    fn the_ways_to_write_a_path_are_read_as_one() {
        for (written, read) in [
            ("/", "/"),
            ("/*", "/"),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/api/*", "/api"),
            ("/Api/v2.1/~x_y-z/*", "/Api/v2.1/~x_y-z"),
        ] {
            assert_eq!(path(written).as_str(), read, "{written}");
        }
    }

    #[test]
    fn what_has_a_meaning_elsewhere_is_no_path() {
        for bad in [
            "",
            "*",
            "api",
            "//",
            "/api//",
            "/api//x",
            "/*/*",
            "/api*",
            "/a*/b",
            "/a/*/b",
            "/a b",
            "/a\nb",
            "/a\tb",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/%61",
            "/a?b",
            "/a#b",
            "/a{b",
            "/{env.HOME}",
            "/{$HOME}",
            "/a\"b",
            "/a`b",
            "/a\\b",
            "/é",
            "/a;b",
            "/a@b",
            "/a:b",
            "/a\0",
            "http://x/",
            "//evil.example",
        ] {
            assert!(bad.parse::<RoutePath>().is_err(), "{bad:?}");
        }
        let deep = "/a".repeat(SEGMENTS_MAX + 1);
        assert_eq!(deep.parse::<RoutePath>(), Err(PathError::TooDeep { count: SEGMENTS_MAX + 1 }));
        let long = format!("/{}", "a".repeat(PATH_MAX));
        assert_eq!(long.parse::<RoutePath>(), Err(PathError::TooLong { length: PATH_MAX + 1 }));
    }

    #[test]
    fn a_path_covers_itself_and_what_is_below_in_whole_segments() {
        for below in ["/api", "/api/", "/api/x", "/api/x/y", "/API/x"] {
            assert!(path("/api").covers(below), "{below}");
            assert!(path("/").covers(below), "{below}");
        }
        for beside in ["/", "/apix", "/ap", "/x/api", "/apé"] {
            assert!(!path("/api").covers(beside), "{beside}");
        }
    }

    #[test]
    fn a_stripped_prefix_leaves_an_absolute_path() {
        let route = |strip_prefix| Route { path: path("/api"), port: NonZeroU16::MIN, strip_prefix };
        for (asked, seen) in [("/api", "/"), ("/api/", "/"), ("/api/x", "/x"), ("/API/x/", "/x/")] {
            assert_eq!(route(true).seen_inside(asked), seen);
            assert_eq!(route(false).seen_inside(asked), asked);
        }
    }

    proptest! {
        #[test]
        fn the_first_of_the_sorted_routes_is_the_most_specific(
            paths in prop::collection::btree_set("(/[ab]){1,4}|/", 1..9),
            asked in "(/[ab]){1,5}|/",
        ) {
            let route = |text: &String| Route { path: path(text), port: NonZeroU16::MIN, strip_prefix: false };
            let routes: Vec<Route> = paths.iter().map(route).collect();
            let first = most_specific_first(&routes).into_iter().find(|route| route.path.covers(&asked));
            prop_assert_eq!(first, most_specific(&routes, &asked));
        }
    }
}
