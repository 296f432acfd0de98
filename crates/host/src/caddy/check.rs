//! Checking one route file without all the others.

use serde_json::Value;

/// The site that a route file is checked in. Nobody has this name
/// ([RFC 6761](https://www.rfc-editor.org/rfc/rfc6761#section-6.4)).
const SITE: &str = "*.berth.invalid";

/// A whole Caddyfile with nothing but this route file in one wildcard site.
/// Without TLS, which would make a certificate authority where there is none.
pub(super) fn alone(route_file: &str) -> String {
    format!("{{\n\tadmin off\n}}\nhttp://{SITE} {{\n{route_file}\n}}\n")
}

/// Whether what Caddy made of [`alone`] is one server with that one site.
///
/// An imported file may close the site that imports it and open another:
/// `} other.example {` reads well to Caddy. Nothing that Berth renders does
/// that; this says so even if the rendering were wrong.
pub(super) fn is_one_site(adapted: &[u8]) -> bool {
    let Ok(adapted) = serde_json::from_slice::<Value>(adapted) else { return false };
    let keys_of = |value: &Value| -> Vec<String> {
        value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    };
    let is_known = |found: Vec<String>, known: &[&str]| found.iter().all(|key| known.contains(&key.as_str()));
    let servers = &adapted["apps"]["http"]["servers"];
    let routes = &servers["srv0"]["routes"];
    is_known(keys_of(&adapted), &["admin", "apps"])
        && adapted["admin"] == serde_json::json!({"disabled": true})
        && is_known(keys_of(&adapted["apps"]), &["http"])
        && is_known(keys_of(servers), &["srv0"])
        && routes.as_array().is_some_and(|routes| routes.len() == 1)
        && routes[0]["match"] == serde_json::json!([{"host": [SITE]}])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Caddy 2.6.2 and 2.11.7 print for a route file with one proxy.
    const ADAPTED: &str = r#"{"admin":{"disabled":true},"apps":{"http":{"servers":{"srv0":{"listen":[":80"],
        "routes":[{"match":[{"host":["*.berth.invalid"]}],"handle":[],"terminal":true}]}}}}}"#;

    #[test]
    fn one_site_is_one_site_and_all_else_is_an_escape() {
        assert!(is_one_site(ADAPTED.as_bytes()));
        let second = r#""routes":[{"match":[{"host":["other.example"]}],"handle":[]},"#;
        for escape in [
            ADAPTED.replace(r#""routes":["#, second),
            ADAPTED.replace(r#"["*.berth.invalid"]}],"handle""#, r#"["other.example"]}],"handle""#),
            ADAPTED.replace(r#""servers":{"#, r#""servers":{"srv1":{},"#),
            ADAPTED.replace(r#""apps":{"#, r#""apps":{"pki":{},"#),
            ADAPTED.replace(r#"{"disabled":true}"#, r#"{"listen":":2019"}"#),
            ADAPTED.replace(r#"{"admin""#, r#"{"logging":{},"admin""#),
            String::new(),
            "null".to_owned(),
        ] {
            assert_ne!(escape, ADAPTED);
            assert!(!is_one_site(escape.as_bytes()), "{escape}");
        }
    }
}
