//! Previews against the same by hand: `nixos-container`, git, systemctl, Caddy.

use berth_e2e::{Forge, Repository, fixture};
use berth_testhost::TestHost;

use super::sample::Sample;

const CONFIGURATION: &str = "[preview]\ndomain = \"preview.test\"\nforge = \"http://127.0.0.1:8418\"\n\
                             [preview.deadlines]\ndrain = \"3s\"\n";

/// Asks until a page is there, as somebody waits for it.
const ASK: &str = "ask() { curl -sf --max-time 2 --resolve $1:443:127.0.0.1 \
                   --cacert /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt https://$1/; }\n";

/// What somebody does by hand for one site: a bare clone that the container
/// sees, its environment, the container, its services, a site of Caddy's.
const PLAIN_CREATE: &str = r"
set -e
git clone -q --bare http://127.0.0.1:8418/acme/bench.git /srv/op-bench.git
nixos-container create op-bench --system-path $SYSTEM --host-address 10.90.0.2 --local-address 10.90.0.3 2>/dev/null
echo EXTRA_NSPAWN_FLAGS=--bind-ro=/srv/op-bench.git >>/etc/nixos-containers/op-bench.conf
mkdir -p /var/lib/nixos-containers/op-bench/etc
cat >/var/lib/nixos-containers/op-bench/etc/preview.env <<ENV
PREVIEW_REPO_URL=file:///srv/op-bench.git
PREVIEW_BRANCH=main
PREVIEW_COMMIT=HEAD
ENV
chown 1000:1000 /var/lib/nixos-containers/op-bench/etc/preview.env
nixos-container start op-bench
systemctl -M op-bench start preview-setup
systemctl -M op-bench start site
printf 'op-bench.preview.test {\n\ttls internal\n\treverse_proxy 10.90.0.3:8080\n}\n' >/var/lib/berth/caddy/op-bench.caddy
caddy reload --config /etc/caddy/Caddyfile --address unix//run/caddy/admin.sock 2>/dev/null
until ask op-bench.preview.test >/dev/null; do :; done
";
const PLAIN_UPDATE: &str = r"
set -e
git --git-dir=/srv/op-bench.git fetch -q http://127.0.0.1:8418/acme/bench.git +main:main
systemctl -M op-bench restart preview-setup
systemctl -M op-bench restart site
until ask op-bench.preview.test >/dev/null; do :; done
";
const PLAIN_DESTROY: &str = r"
set -e
rm /var/lib/berth/caddy/op-bench.caddy
caddy reload --config /etc/caddy/Caddyfile --address unix//run/caddy/admin.sock 2>/dev/null
nixos-container destroy op-bench
rm -rf /srv/op-bench.git
";
const BERTH_CREATE: &str = "set -e; preview create acme/bench main >/dev/null 2>&1; until ask bench-main.preview.test >/dev/null; do :; done";
const BERTH_UPDATE: &str = "set -e; preview update bench-main >/dev/null 2>&1; until ask bench-main.preview.test >/dev/null; do :; done";
const BERTH_SWITCH: &str = "set -e; preview update bench-main --force >/dev/null 2>&1; until ask bench-main.preview.test >/dev/null; do :; done";
const BERTH_DESTROY: &str = "preview destroy bench-main >/dev/null 2>&1";

/// Route files as previews have them, of previews that do not exist.
const FILL: &str = r#"
import os, sys
folder, count = "/var/lib/berth/caddy/routes", int(sys.argv[1])
os.makedirs(folder, exist_ok=True)
for number in range(900000, 900000 + count):
    with open(f"{folder}/{number}.caddy", "w") as file:
        file.write(f"""@p{number} host bench-{number}.preview.test
handle @p{number} {{
	route {{
		header {{
			X-Robots-Tag "noindex, nofollow"
			defer
		}}
		handle {{
			reverse_proxy 10.100.200.1:8080 {{
				transport http {{
					keepalive 2s
				}}
			}}
		}}
	}}
}}
""")
"#;
const EMPTY: &str = "rm -f /var/lib/berth/caddy/routes/9?????.caddy /var/lib/berth/caddy/good/9?????.caddy; \
                     caddy reload --config /etc/caddy/Caddyfile --address unix//run/caddy/admin.sock 2>/dev/null";
const RELOAD: &str =
    "caddy reload --force --config /etc/caddy/Caddyfile --address unix//run/caddy/admin.sock 2>/dev/null";

pub(super) fn run(host: &TestHost, rounds: usize) {
    host.write_file("/etc/berth/berth.toml", CONFIGURATION, 0o644);
    host.shell("mkdir -p /var/lib/berth/caddy && systemctl start caddy").ok();
    let repository = Forge::of(host).repository("acme/bench", fixture("static"));
    let system = system(host);
    life(host, &repository, &system, rounds);
    routes(host, rounds.min(5));
    host.assert_clean();
}

/// Create, update of both kinds and destroy, by hand and with Berth in turn.
fn life(host: &TestHost, repository: &Repository, system: &str, rounds: usize) {
    let mut samples: [Sample; 7] = std::array::from_fn(|_| Sample::default());
    for round in 0..=rounds {
        let mut warm_up: [Sample; 7] = std::array::from_fn(|_| Sample::default());
        let [create, update, destroy, own_create, own_update, own_switch, own_destroy] =
            if round == 0 { &mut warm_up } else { &mut samples };
        let run = |sample: &mut Sample, script: &str| {
            sample.measure(|| {
                host.shell(&format!("{ASK}{script}")).env("SYSTEM", system).ok();
            });
        };
        run(create, PLAIN_CREATE);
        run(own_create, BERTH_CREATE);
        repository.commit("change", &[("index.html", &format!("round {round}\n"))]);
        run(update, PLAIN_UPDATE);
        run(own_update, BERTH_UPDATE);
        run(own_switch, BERTH_SWITCH);
        run(destroy, PLAIN_DESTROY);
        run(own_destroy, BERTH_DESTROY);
    }
    let [create, update, destroy, own_create, own_update, own_switch, own_destroy] = &samples;
    tell("create to the first answer", create, own_create);
    tell("new code", update, own_update);
    tell("a new container takes over (by hand: a create)", create, own_switch);
    tell("destroy", destroy, own_destroy);
}

fn tell(what: &str, plain: &Sample, berth: &Sample) {
    println!("{what}, by hand: {plain}");
    println!("{what}, preview: {berth}");
    println!("  ratio {:.2}", berth.ratio_to(plain));
}

/// What the routes of others cost a create, and which part of it is Caddy's.
fn routes(host: &TestHost, rounds: usize) {
    for count in [10, 100, 1000] {
        host.command("python3").args(["-c", FILL, &count.to_string()]).ok();
        let (mut reload, mut create) = (Sample::default(), Sample::default());
        for _ in 0..rounds {
            reload.measure(|| {
                host.shell(RELOAD).ok();
            });
            create.measure(|| {
                host.shell(&format!("{ASK}{BERTH_CREATE}")).ok();
            });
            host.shell(BERTH_DESTROY).ok();
        }
        println!("one reload of Caddy with {count} routes:   {reload}");
        println!("create with the routes of {count} others:  {create}");
        println!("  the reload is {:.0} % of it", 100.0 * reload.ratio_to(&create));
        host.shell(EMPTY).ok();
    }
}

/// The system of the repository, built if need be.
fn system(host: &TestHost) -> String {
    let built = host.command("preview").args(["build", "acme/bench", "main", "--json"]).ok();
    let path = built.stdout.split('"').find(|part| part.starts_with("/nix/store/"));
    path.expect("`preview build --json` names the system").to_owned()
}
