//! What is said to PostgreSQL.
//!
//! None of these statements takes parameters, so names and values are written
//! into them: names of previews, which are `berth_d` and digits, and a verifier,
//! which is base64 with a few signs that mean nothing in a string.

use berth_core::PreviewId;
use postgres_protocol::password::scram_sha_256;
use secrecy::{ExposeSecret, SecretString};

/// How many connections a preview may have at once. PostgreSQL allows 100 in
/// all unless it is told otherwise.
pub const CONNECTIONS_MAX: u32 = 20;

/// Whether there is a role of this name, who owns the database of this name,
/// and whether that is one that a `DROP` was stopped in
/// (<https://www.postgresql.org/docs/15/catalog-pg-database.html>, `-2`).
pub(super) const LOOK: &str = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1), \
     (SELECT pg_catalog.pg_get_userbyid(datdba)::text FROM pg_catalog.pg_database WHERE datname = $1), \
     EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1 AND datconnlimit = -2)";

/// All names of databases and roles that may be Berth's.
pub(super) const LIST: &str = "SELECT datname::text FROM pg_catalog.pg_database WHERE datname LIKE 'berth\\_d%' \
     UNION SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname LIKE 'berth\\_d%'";

/// The databases in which something was granted to this role, but for the one
/// that is asked.
pub(super) const GRANTS_ELSEWHERE: &str = "SELECT DISTINCT datname::text FROM pg_catalog.pg_shdepend \
     JOIN pg_catalog.pg_database ON pg_database.oid = dbid \
     WHERE refclassid = 'pg_catalog.pg_authid'::regclass AND datname <> pg_catalog.current_database() \
     AND refobjid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1)";

/// Settings under which a statement is logged whatever its outcome, and what
/// turns each off.
const LOGGING: [(&str, &str); 3] =
    [("log_statement", "none"), ("log_min_duration_statement", "-1"), ("log_min_error_statement", "panic")];

/// Turns the logging of statements off for this session, as far as the role
/// may (a superuser may, and from 15 on whoever was granted `SET` on these
/// parameters). Asked first: a refusal would be logged itself.
pub(super) fn log_nothing() -> String {
    let settings = LOGGING.map(|(name, value)| {
        format!(
            "SELECT pg_catalog.set_config('{name}', '{value}', false) \
             WHERE pg_catalog.has_parameter_privilege('{name}', 'SET')"
        )
    });
    settings.join("; ")
}

/// Makes or changes the role. Only the verifier of the password leaves this
/// process: it proves nothing to PostgreSQL, and 256 random bits cannot be
/// guessed from it.
pub(super) fn set_role(id: PreviewId, password: &SecretString, is_there: bool) -> String {
    let verb = if is_there { "ALTER" } else { "CREATE" };
    let verifier = scram_sha_256(password.expose_secret().as_bytes());
    format!(
        "{verb} ROLE {} LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT {CONNECTIONS_MAX} PASSWORD '{verifier}'",
        id.database()
    )
}

/// Makes Berth's role a member; twice is no error.
pub(super) fn join_role(id: PreviewId) -> String {
    format!("GRANT {} TO CURRENT_USER", id.database())
}

/// Lets no new connection in.
pub(super) fn close_role(id: PreviewId) -> String {
    format!("ALTER ROLE {} NOLOGIN", id.database())
}

/// From `template0`, which has no connections and which nobody has changed.
pub(super) fn create_database(id: PreviewId) -> String {
    let name = id.database();
    format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ENCODING 'UTF8'")
}

/// Takes from everybody what each new database gives them.
pub(super) fn close_database(id: PreviewId) -> String {
    format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", id.database())
}

/// Undoes what its owner may have done against its being dropped.
pub(super) fn release_database(id: PreviewId) -> String {
    format!("ALTER DATABASE {} IS_TEMPLATE false", id.database())
}

/// Undoes what its owner may have done against a visit: settings count, too, as
/// they are those of every session there.
pub(super) fn open_database(id: PreviewId) -> [String; 3] {
    let name = id.database();
    [
        format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true CONNECTION LIMIT -1"),
        format!("ALTER DATABASE {name} RESET ALL"),
        format!("GRANT CONNECT ON DATABASE {name} TO CURRENT_USER"),
    ]
}

/// Ends the connections, too, if it may.
pub(super) fn drop_database_by_force(id: PreviewId) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", id.database())
}

/// Sends autovacuum away, which `FORCE` may not.
pub(super) fn drop_database(id: PreviewId) -> String {
    format!("DROP DATABASE IF EXISTS {}", id.database())
}

/// Takes back what was granted to the role in the connected database and on
/// databases as a whole, and what it owns in the connected one.
pub(super) fn drop_owned(id: PreviewId) -> String {
    format!("DROP OWNED BY {} CASCADE", id.database())
}

pub(super) fn drop_role(id: PreviewId) -> String {
    format!("DROP ROLE IF EXISTS {}", id.database())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_no_statement_and_its_verifier_needs_no_escape() {
        let password = SecretString::from("poison");
        for is_there in [false, true] {
            let said = set_role(PreviewId::new(42), &password, is_there);
            let (before, rest) = said.split_once("SCRAM-SHA-256$4096:").expect("a verifier");
            let verb = if is_there { "ALTER" } else { "CREATE" };
            assert_eq!(
                before,
                format!("{verb} ROLE berth_d42 LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT 20 PASSWORD '")
            );
            let verifier = rest.strip_suffix('\'').expect("the end of the string");
            assert!(verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=$:".contains(&b)), "{said}");
            assert!(!said.contains("poison"));
        }
    }
}
