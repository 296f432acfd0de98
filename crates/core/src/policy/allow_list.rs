//! The repositories that get previews.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::RepoName;

/// The repositories that get previews: none unless one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<RepoPattern>);

/// An account that owns repositories, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(String);

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepoPattern {
    /// `owner/name`: this one.
    One(RepoName),
    /// `owner/*`: all of an account.
    AllOf(Owner),
}

/// A text that is neither `owner/name` nor `owner/*`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` names no repositories: write `owner/name`, or `owner/*` for all of an account")]
pub struct RepoPatternError(String);

impl AllowList {
    /// Whether the repository gets previews.
    pub fn allows(&self, repo: &RepoName) -> bool {
        self.0.iter().any(|pattern| match pattern {
            RepoPattern::One(one) => one == repo,
            RepoPattern::AllOf(owner) => owner.as_str() == repo.owner(),
        })
    }

    /// The repositories that are named one by one.
    pub fn repositories(&self) -> BTreeSet<&RepoName> {
        self.0
            .iter()
            .filter_map(|pattern| match pattern {
                RepoPattern::One(repo) => Some(repo),
                RepoPattern::AllOf(_) => None,
            })
            .collect()
    }

    /// The accounts of which all repositories are meant.
    pub fn owners(&self) -> BTreeSet<&Owner> {
        self.0
            .iter()
            .filter_map(|pattern| match pattern {
                RepoPattern::AllOf(owner) => Some(owner),
                RepoPattern::One(_) => None,
            })
            .collect()
    }
}

impl FromIterator<RepoPattern> for AllowList {
    fn from_iter<T: IntoIterator<Item = RepoPattern>>(patterns: T) -> Self {
        Self(patterns.into_iter().collect())
    }
}

impl Owner {
    /// The account's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepoPattern {
    type Err = RepoPatternError;

    fn from_str(text: &str) -> Result<Self, RepoPatternError> {
        let text = text.trim();
        let error =
            || RepoPatternError(text.chars().take(150).collect::<String>().escape_debug().to_string());
        let Some(owner) = text.strip_suffix("/*") else {
            return text.parse().map(Self::One).map_err(|_| error());
        };
        // An owner is what the name of a repository may begin with.
        let repo: RepoName = format!("{owner}/x").parse().map_err(|_| error())?;
        Ok(Self::AllOf(Owner(repo.owner().to_owned())))
    }
}

impl fmt::Display for RepoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(repo) => repo.fmt(f),
            Self::AllOf(owner) => write!(f, "{owner}/*"),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> AllowList {
        patterns.iter().map(|text| text.parse::<RepoPattern>().expect("a pattern")).collect()
    }

    #[test]
    fn spelling_and_space_make_no_difference() {
        let list = list(&["  Acme/Site\n", "OTHER/*"]);
        for (repo, is_allowed) in [
            ("acme/site", true),
            ("ACME/SITE", true),
            ("acme/site2", false),
            ("acme/sit", false),
            ("other/anything", true),
            ("other/.github", true),
            ("others/anything", false),
            ("othe/r", false),
        ] {
            assert_eq!(list.allows(&repo.parse().expect("a repository")), is_allowed, "{repo}");
        }
        assert!(!AllowList::default().allows(&"acme/site".parse().expect("a repository")), "none by default");
    }

    #[test]
    fn what_could_mean_more_than_one_account_is_refused() {
        for text in
            ["", "*", "*/*", "acme", "acme/", "acme/si*", "acme*/x", "a b/*", "acme/x/*", "/*", "acme/**"]
        {
            assert!(text.parse::<RepoPattern>().is_err(), "{text}");
        }
        let error = "acme/si*".parse::<RepoPattern>().expect_err("a part of a name");
        assert_eq!(
            error.to_string(),
            "`acme/si*` names no repositories: write `owner/name`, or `owner/*` for all of an account"
        );
    }

    #[test]
    fn a_list_tells_what_it_names() {
        let list = list(&["acme/site", "Other/*", "acme/site"]);
        let repos: Vec<_> = list.repositories().into_iter().map(RepoName::as_str).collect();
        let owners: Vec<_> = list.owners().into_iter().map(Owner::as_str).collect();
        assert_eq!((repos, owners), (vec!["acme/site"], vec!["other"]));
    }
}
