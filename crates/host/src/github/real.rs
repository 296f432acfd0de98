//! GitHub through its REST API.

mod comments;
mod deployments;
mod pulls;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::policy::{Login, Owner, Permission, Pull};
use berth_core::{CommitSha, PullNumber, RepoName};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use self::pulls::KnownPages;
use super::answers::{
    Account, AppAnswer, InstallationAnswer, PermissionAnswer, RepoAnswer, RepositoriesAnswer, TokenAnswer, is,
};
use super::http::{Answer, Call, Http, form};
use super::limits::Holder;
use super::tokens::{InstallationToken, Purpose, Tokens};
use super::{
    ApiBase, AppId, AppKey, CommentId, DeploymentId, DeploymentStatus, Environment, GitHub, GitHubError,
    Reaction,
};
use crate::repos::Token;

/// How many entries are asked for at once: the most that GitHub gives.
const PER_PAGE: usize = 100;
/// How many pages are asked for at most.
const PAGES_MAX: usize = 100;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Whom Berth is for GitHub.
pub enum Credentials {
    /// A GitHub App.
    App {
        /// Its id.
        id: AppId,
        /// Its key.
        key: AppKey,
    },
    /// A person, by a personal access token.
    Person(SecretString),
}

/// How GitHub is reached.
#[derive(Clone)]
pub struct GitHubOptions {
    /// Where the API is.
    pub base: ApiBase,
    /// How long one call may take.
    pub timeout: Duration,
    /// The pause before a failed call is sent again; the next is four times
    /// as long.
    pub pause: Duration,
    /// The clock.
    pub now: Clock,
}

impl Default for GitHubOptions {
    fn default() -> Self {
        Self {
            base: ApiBase::default(),
            timeout: Duration::from_secs(20),
            pause: Duration::from_millis(500),
            now: Arc::new(Timestamp::now),
        }
    }
}

/// GitHub itself.
pub struct GitHubApi {
    http: Http,
    credentials: Credentials,
    tokens: Tokens,
    login: OnceCell<Login>,
    known_pulls: KnownPages,
}

/// Whose bearer a call shows.
struct Bearer {
    holder: Holder,
    token: SecretString,
}

impl GitHubApi {
    /// The API with these credentials. Nothing is sent yet.
    pub fn new(credentials: Credentials, options: GitHubOptions) -> Result<Self, GitHubError> {
        let (tokens, login, known_pulls) = (Tokens::default(), OnceCell::new(), KnownPages::default());
        Ok(Self { http: Http::new(options)?, credentials, tokens, login, known_pulls })
    }

    /// Who Berth is on GitHub: the author of its comments.
    pub async fn login(&self) -> Result<&Login, GitHubError> {
        self.login.get_or_try_init(|| self.ask_login()).await
    }

    async fn ask_login(&self) -> Result<Login, GitHubError> {
        let what = "the account that Berth uses";
        let (path, bearer) = match &self.credentials {
            Credentials::App { id, key } => ("/app", self.as_app(id, key)),
            Credentials::Person(token) => ("/user", as_person(token)),
        };
        let call = Call::get(path.to_owned(), what);
        let answer = self.http.send(bearer.holder, &bearer.token, &call).await?;
        let login = match &self.credentials {
            Credentials::App { .. } => format!("{}[bot]", answer.json::<AppAnswer>()?.slug),
            Credentials::Person(_) => answer.json::<Account>()?.login,
        };
        login.parse().map_err(|_| form(what, "it names no account"))
    }

    fn as_app(&self, id: &AppId, key: &AppKey) -> Bearer {
        Bearer { holder: Holder::App, token: key.statement(id, self.http.now()) }
    }

    /// Sends a call about a repository.
    async fn report(&self, repo: &RepoName, call: Call) -> Result<Answer, GitHubError> {
        self.send(&Purpose::Report(repo.clone()), call).await
    }

    /// Sends a call with the token of a purpose. A token that is not accepted
    /// any more (its installation was changed) is replaced once.
    async fn send(&self, purpose: &Purpose, call: Call) -> Result<Answer, GitHubError> {
        let bearer = self.bearer(purpose).await?;
        let answer = self.http.send(bearer.holder, &bearer.token, &call).await;
        match (answer, bearer.holder) {
            (Err(GitHubError::Unauthorized { .. }), Holder::Installation(_)) => {
                self.forget(purpose, bearer.token.expose_secret().as_bytes()).await;
                let bearer = self.bearer(purpose).await?;
                self.http.send(bearer.holder, &bearer.token, &call).await
            }
            (answer, _) => answer,
        }
    }

    async fn bearer(&self, purpose: &Purpose) -> Result<Bearer, GitHubError> {
        let (id, key) = match &self.credentials {
            Credentials::App { id, key } => (id, key),
            Credentials::Person(token) => return Ok(as_person(token)),
        };
        let place = self.tokens.place(purpose);
        let mut kept = place.lock().await;
        let token = match kept.as_ref().filter(|token| token.is_good(self.http.now())) {
            Some(token) => token.clone(),
            None => kept.insert(self.new_token(&self.as_app(id, key), purpose).await?).clone(),
        };
        Ok(Bearer { holder: Holder::Installation(token.installation), token: token.token })
    }

    async fn forget(&self, purpose: &Purpose, token: &[u8]) {
        let place = self.tokens.place(purpose);
        let mut kept = place.lock().await;
        kept.take_if(|kept| kept.token.expose_secret().as_bytes() == token);
    }

    async fn new_token(&self, app: &Bearer, purpose: &Purpose) -> Result<InstallationToken, GitHubError> {
        let installation = match purpose {
            Purpose::Report(repo) | Purpose::Read(repo) => self.installation_for(app, repo).await?,
            Purpose::List(owner) => self.installation_of(app, owner).await?,
        };
        let path = format!("/app/installations/{installation}/access_tokens");
        let call = Call::post(path, purpose.request(), purpose.what()).repeatable();
        let answer = self.http.send(app.holder, &app.token, &call).await;
        let answer: TokenAnswer = answer.map_err(|error| without_permission(error, purpose))?.json()?;
        Ok(InstallationToken { installation, token: answer.token.into(), expires_at: answer.expires_at })
    }

    async fn installation_for(&self, app: &Bearer, repo: &RepoName) -> Result<u64, GitHubError> {
        let call = Call::get(format!("/repos/{repo}/installation"), format!("repository `{repo}`"));
        let answer = self.http.send(app.holder, &app.token, &call).await?;
        Ok(answer.json::<InstallationAnswer>()?.id)
    }

    async fn installation_of(&self, app: &Bearer, owner: &Owner) -> Result<u64, GitHubError> {
        for page in 1..=PAGES_MAX {
            let path = format!("/app/installations?per_page={PER_PAGE}&page={page}");
            let call = Call::get(path, "the installations of the App");
            let found: Vec<InstallationAnswer> =
                self.http.send(app.holder, &app.token, &call).await?.json()?;
            let is_its = |one: &&InstallationAnswer| {
                let account = one.account.as_ref().map(|account| account.login.to_ascii_lowercase());
                account.as_deref() == Some(owner.as_str()) && one.suspended_at.is_none()
            };
            if let Some(one) = found.iter().find(is_its) {
                return Ok(one.id);
            }
            if found.len() < PER_PAGE {
                break;
            }
        }
        Err(GitHubError::NotInstalled { owner: owner.clone() })
    }

    async fn repository_page(&self, owner: &Owner, page: usize) -> Result<Vec<RepoAnswer>, GitHubError> {
        let what = format!("the repositories of `{owner}`");
        let purpose = Purpose::List(owner.clone());
        match &self.credentials {
            Credentials::App { .. } => {
                let path = format!("/installation/repositories?per_page={PER_PAGE}&page={page}");
                let answer = self.send(&purpose, Call::get(path, what)).await?;
                Ok(answer.json::<RepositoriesAnswer>()?.repositories)
            }
            Credentials::Person(_) => {
                let path = format!("/user/repos?per_page={PER_PAGE}&page={page}");
                self.send(&purpose, Call::get(path, what)).await?.json()
            }
        }
    }
}

fn as_person(token: &SecretString) -> Bearer {
    Bearer { holder: Holder::Person, token: token.clone() }
}

/// GitHub calls it invalid to ask for what the App was not granted.
fn without_permission(error: GitHubError, purpose: &Purpose) -> GitHubError {
    match error {
        GitHubError::Validation { what, said } if said.contains("permissions requested") => {
            GitHubError::Forbidden { what, needs: Some(purpose.needs()), said }
        }
        error => error,
    }
}

#[async_trait]
impl GitHub for GitHubApi {
    async fn repositories(&self, owner: &Owner) -> Result<BTreeSet<RepoName>, GitHubError> {
        let mut repositories = BTreeSet::new();
        for page in 1..=PAGES_MAX {
            let found = self.repository_page(owner, page).await?;
            let is_last = found.len() < PER_PAGE;
            let usable = found.iter().filter_map(RepoAnswer::usable);
            repositories.extend(usable.filter(|repo| repo.owner() == owner.as_str()));
            if is_last {
                break;
            }
        }
        Ok(repositories)
    }

    async fn open_pulls(&self, repo: &RepoName) -> Result<Vec<Pull>, GitHubError> {
        self.all_open_pulls(repo).await
    }

    async fn pull(&self, repo: &RepoName, number: PullNumber) -> Result<Option<Pull>, GitHubError> {
        self.one_pull(repo, number).await
    }

    async fn permission(&self, repo: &RepoName, user: &Login) -> Result<Permission, GitHubError> {
        let what = format!("the permission of `{user}` in `{repo}`");
        let user = user.as_str().replace('[', "%5B").replace(']', "%5D");
        let call = Call::get(format!("/repos/{repo}/collaborators/{user}/permission"), what.clone());
        match self.report(repo, call).await {
            Ok(answer) => answer.json::<PermissionAnswer>()?.permission(&what),
            Err(GitHubError::NotFound { hint: super::answers::NO_USER, .. }) => Ok(Permission::None),
            Err(error) => Err(error),
        }
    }

    async fn put_comment(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        known: Option<CommentId>,
        text: &str,
    ) -> Result<CommentId, GitHubError> {
        self.put_the_comment(repo, pull, known, text).await
    }

    async fn react(
        &self,
        repo: &RepoName,
        comment: CommentId,
        reaction: Reaction,
    ) -> Result<(), GitHubError> {
        self.put_reaction(repo, comment, reaction).await
    }

    async fn deployment(
        &self,
        repo: &RepoName,
        commit: &CommitSha,
        environment: &Environment,
    ) -> Result<DeploymentId, GitHubError> {
        self.find_or_make_deployment(repo, commit, environment).await
    }

    async fn set_deployment(
        &self,
        repo: &RepoName,
        deployment: DeploymentId,
        status: &DeploymentStatus,
    ) -> Result<(), GitHubError> {
        self.set_status(repo, deployment, status).await
    }

    async fn remove_deployments(
        &self,
        repo: &RepoName,
        environment: &Environment,
    ) -> Result<(), GitHubError> {
        self.remove_all_deployments(repo, environment).await
    }

    async fn token_for(&self, repo: &RepoName) -> Result<Token, GitHubError> {
        let bearer = self.bearer(&Purpose::Read(repo.clone())).await?;
        let bytes = Zeroizing::new(bearer.token.expose_secret().as_bytes().to_vec());
        Token::new(&bytes).map_err(|_| GitHubError::Token)
    }

    async fn other_token_for(&self, repo: &RepoName, refused: &Token) -> Result<Option<Token>, GitHubError> {
        match &self.credentials {
            Credentials::App { .. } => {
                self.forget(&Purpose::Read(repo.clone()), refused.bytes()).await;
                self.token_for(repo).await.map(Some)
            }
            Credentials::Person(_) => Ok(None),
        }
    }
}

/// Whether an account is Berth's own.
async fn is_own(api: &GitHubApi, account: Option<&Account>) -> Result<bool, GitHubError> {
    Ok(is(account, api.login().await?))
}
