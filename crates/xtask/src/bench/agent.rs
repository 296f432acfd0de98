//! Agents against `nixos-container` by hand.

use berth_testhost::TestHost;

use super::sample::Sample;

/// What somebody does by hand: create, put a key in, start, log in as soon as
/// sshd answers. The container's own sshd makes its host keys, as it must.
const PLAIN_CREATE: &str = r"
set -e
nixos-container create op-bench --system-path $SYSTEM --host-address 10.90.0.2 --local-address 10.90.0.3 2>/dev/null
install -d -m 0700 -o 1000 -g 1000 /var/lib/nixos-containers/op-bench/home/agent/.ssh
install -m 0600 -o 1000 -g 1000 /root/.ssh/id_ed25519.pub /var/lib/nixos-containers/op-bench/home/agent/.ssh/authorized_keys
nixos-container start op-bench
until ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=QUIET agent@10.90.0.3 true; do :; done
";
const PLAIN_DESTROY: &str = "nixos-container destroy op-bench";
const BERTH_CREATE: &str = "set -e; agent create bench >/dev/null; agent ssh bench -- true";
const BERTH_DESTROY: &str = "agent destroy bench";

/// Rows as an operator with 500 agents has them, all of one closure.
const FILL: &str = "import sqlite3
db = sqlite3.connect('/var/lib/berth/state/berth.db')
closure = db.execute('select id from closures where is_current = 1').fetchone()[0]
columns = 'kind, slot, name, phase, wanted, closure_id, memory, cpus, tasks, health, failed_units, created_by, created_at'
rows = [('agent', slot, f'bench-{slot}', 'stopped', 'stopped', closure, '4G', '2', '4096', 'unknown', '[]', 'bench', 0)
        for slot in range(1, 600) if slot % 128][:500]
db.executemany(f'insert into berths ({columns}) values (?,?,?,?,?,?,?,?,?,?,?,?,?)', rows)
db.commit()
";
const EMPTY: &str = "import sqlite3
db = sqlite3.connect('/var/lib/berth/state/berth.db')
db.execute(\"delete from berths where name like 'bench-%'\")
db.commit()
";

pub(super) fn run(host: &TestHost, rounds: usize) {
    let system = system(host);
    let (mut plain, mut berth) = (Sample::default(), Sample::default());
    let (mut plain_destroy, mut berth_destroy) = (Sample::default(), Sample::default());
    // One of each first, for caches; then alternating, so that a slow minute
    // of the machine hits both.
    for round in 0..=rounds {
        let mut warm_up = [Sample::default(), Sample::default(), Sample::default(), Sample::default()];
        let samples = if round == 0 {
            warm_up.each_mut()
        } else {
            [&mut plain, &mut plain_destroy, &mut berth, &mut berth_destroy]
        };
        for (sample, script) in
            samples.into_iter().zip([PLAIN_CREATE, PLAIN_DESTROY, BERTH_CREATE, BERTH_DESTROY])
        {
            sample.measure(|| {
                host.shell(script).env("SYSTEM", &system).ok();
            });
        }
    }
    println!("create to first login, nixos-container by hand: {plain}");
    println!("create to first login, agent:                   {berth}");
    println!("  ratio {:.2}", berth.ratio_to(&plain));
    println!("destroy of a running one, nixos-container:      {plain_destroy}");
    println!("destroy of a running one, agent:                {berth_destroy}");
    println!("  ratio {:.2}", berth_destroy.ratio_to(&plain_destroy));
    list(host, rounds);
    host.assert_clean();
}

fn list(host: &TestHost, rounds: usize) {
    let mut ask = Sample::default();
    let mut list = Sample::default();
    host.command("python3").args(["-c", FILL]).ok();
    for _ in 0..rounds {
        ask.measure(|| {
            host.shell("systemctl list-units --all --output=json 'container@*'").ok();
        });
        list.measure(|| {
            host.shell("agent list >/dev/null").ok();
        });
    }
    host.command("python3").args(["-c", EMPTY]).ok();
    println!("one question to systemd:                        {ask}");
    println!("agent list with 500 agents:                     {list}");
    println!("  ratio {:.2}", list.ratio_to(&ask));
}

/// The system of agents, built if need be.
fn system(host: &TestHost) -> String {
    let built = host.command("agent").args(["build", "--json"]).ok();
    let built = built.stdout.clone();
    let path = built.split('"').find(|part| part.starts_with("/nix/store/"));
    path.expect("`agent build --json` names the system").to_owned()
}
