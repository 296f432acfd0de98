use std::path::Path;

use super::*;
use crate::meta::Meta;

fn domain() -> Domain {
    "preview.example.com".parse().expect("a domain")
}

fn rendered(meta: &str, minor: u32) -> String {
    let meta = Meta::parse(meta).expect("a meta");
    let slug = "shop-42".parse().expect("a name");
    let site = Site {
        id: PreviewId::new(42),
        slug: &slug,
        domain: &domain(),
        upstream: [10, 100, 0, 25].into(),
        routes: &meta.routes,
        extra_hosts: &meta.extra_hosts,
    };
    route_file(&site, CaddyFeatures::of_version(2, minor))
}

const TWO_SERVICES: &str = r#"{
    "routes": [
        { "path": "/", "port": 3000 },
        { "path": "/api/*", "port": 8080, "stripPrefix": true },
        { "path": "/api/v2", "port": 8082 }
    ]
}"#;

#[test]
fn a_static_site_is_this() {
    insta::assert_snapshot!(rendered(r#"{ "routes": [{ "path": "/", "port": 80 }] }"#, 11));
}

#[test]
fn two_services_with_a_stripped_prefix_are_this() {
    insta::assert_snapshot!(rendered(TWO_SERVICES, 11));
}

#[test]
fn an_old_caddy_gets_no_word_that_it_does_not_know() {
    insta::assert_snapshot!(rendered(TWO_SERVICES, 6));
}

#[test]
fn extra_hosts_and_paths_that_nobody_serves_are_this() {
    insta::assert_snapshot!(rendered(
        r#"{
            "routes": [{ "path": "/app", "port": 3000 }],
            "extraHosts": [
                { "prefix": "admin", "routes": [{ "path": "/", "port": 9000 }] },
                { "prefix": "docs", "routes": [{ "path": "/v1", "port": 4000, "stripPrefix": true }] }
            ],
            "ready": { "path": "/app" }
        }"#,
        11
    ));
}

#[test]
fn hosts_are_the_main_one_and_then_the_extra_ones() {
    let meta = Meta::parse(
        r#"{
            "routes": [{ "path": "/", "port": 80 }],
            "extraHosts": [{ "prefix": "admin", "routes": [{ "path": "/", "port": 80 }] }]
        }"#,
    )
    .expect("a meta");
    let (slug, domain) = ("fix".parse().expect("a name"), domain());
    let site = Site {
        id: PreviewId::new(1),
        slug: &slug,
        domain: &domain,
        upstream: Ipv4Addr::LOCALHOST,
        routes: &meta.routes,
        extra_hosts: &meta.extra_hosts,
    };
    assert_eq!(site.hosts(), ["fix.preview.example.com", "admin-fix.preview.example.com"]);
    assert_eq!(site.url(), "https://fix.preview.example.com");
}

#[test]
fn features_come_from_what_caddy_calls_itself() {
    for (text, has_delay) in [
        ("2.6.2\n", Some(false)),
        ("v2.6.4 h1:2hwYqiRwk1tf3VruhMpLcYTg+11fCdr8S3jhNAdnPy8=", Some(false)),
        ("v2.7.0-beta.1", Some(true)),
        ("v2.11.7 h1:abc=\n", Some(true)),
        ("v3.0.0", Some(true)),
        ("(devel)", None),
        ("", None),
    ] {
        let features = CaddyFeatures::of_version_text(text);
        assert_eq!(features.map(|features| features.stream_close_delay), has_delay, "{text}");
    }
}

#[test]
fn the_wildcard_site_with_each_certificate_is_this() {
    let tls = [
        Tls::Internal,
        Tls::Files {
            certificate: "/etc/berth/tls/origin.pem".into(),
            key: "/etc/berth/tls/a \"key\".pem".into(),
        },
        Tls::Acme {
            dns: "cloudflare".parse().expect("a provider"),
            token: "CLOUDFLARE_API_TOKEN".parse().expect("a variable"),
        },
    ];
    let routes = Path::new("/run/berth/routes/*.caddy");
    let sites: Vec<String> = tls.iter().map(|tls| wildcard_site(&domain(), tls, routes)).collect();
    insta::assert_snapshot!(sites.join("\n"));
}

#[test]
fn a_dns_provider_is_the_name_of_a_module() {
    for bad in ["", "a b", "Cloudflare", "a{", "a\n", "a-b", "cloudflare {env.X}"] {
        assert!(bad.parse::<DnsProvider>().is_err(), "{bad:?}");
    }
}
