//! What a container can reach, tried from inside; beside each refusal the
//! nearest thing that is allowed.

use std::time::Duration;

use berth_e2e::{Agent, BerthHost, HostCommand, JournalMark, Output, Running, TestHost, agent, wait_until};

const PATIENT: Duration = Duration::from_mins(1);

/// Long enough for an answer on a busy machine.
const FETCH: &str = "curl -sS --max-time 20";

/// `place=NAME client=ADDRESS` from a listener of the test host, or a failure.
fn fetch(from: &Agent, url: &str) -> Output {
    from.run(&format!("{FETCH} http://{url}")).run()
}

/// Asserts that this gets no answer. Two seconds are enough to tell: what is
/// refused is refused at once, and that the answer comes where it may is shown
/// beside it.
#[track_caller]
fn refused(from: &Agent, options: &str, url: &str) -> Output {
    let output = from.run(&format!("{FETCH} --connect-timeout 2 {options} http://{url}")).run();
    assert!(!output.is_success() && !output.stdout.contains("place="), "{output}");
    output
}

#[test]
fn the_internet_is_reached_and_sees_the_hosts_address() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-nat");
    let answer = fetch(&one, "203.0.113.10").stdout;
    assert_eq!(answer, "place=internet client=198.51.100.2\n");
    // By name as well: the host's resolver answers on the services address.
    assert_eq!(fetch(&one, "public.test").stdout, answer);
}

#[test]
fn private_networks_and_the_metadata_service_are_refused_at_once() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-private");
    for (address, place) in [("192.168.77.1", "lan"), ("169.254.169.254", "metadata")] {
        // The twin: it is there, and the host reaches it.
        let seen = host.command("curl").args(["-sS", "--max-time", "5", &format!("http://{address}")]).ok();
        assert!(seen.stdout.starts_with(&format!("place={place} ")), "{seen}");
        let refused = refused(&one, "", address);
        // curl's 7 is a refusal; 28 would be a packet that got lost.
        assert_eq!(refused.code(), Some(7), "{refused}");
    }
    assert!(fetch(&one, "203.0.113.10").is_success());
}

#[test]
fn services_of_the_host_are_refused_on_every_address_but_dns() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-host");
    let slot: u32 = one.container()[1..].parse().expect("a slot");
    let veth = format!("10.100.{}.{}", slot * 2 / 256, slot * 2 % 256);
    for address in [veth.as_str(), "198.51.100.2", "10.100.0.1"] {
        // The twin: it listens there.
        let seen =
            host.command("curl").args(["-sS", "--max-time", "5", &format!("http://{address}:8080")]).ok();
        assert!(seen.stdout.starts_with("place=service "), "{seen}");
        for port in [8080, 22] {
            let refused = refused(&one, "", &format!("{address}:{port}"));
            assert_eq!(refused.code(), Some(7), "{refused}");
        }
    }
    assert_eq!(
        one.run("getent ahostsv4 public.test | head -n 1 | cut -d' ' -f1").ok().stdout,
        "203.0.113.10\n"
    );
    one.run_as_root("ping -c 1 -W 5 10.100.0.1").ok();
    let refused = one.run_as_root(&format!("ping -c 1 -W 2 {veth}")).run();
    assert!(!refused.is_success(), "{refused}");
}

#[test]
fn containers_do_not_reach_each_other() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-one");
    let other = Agent::create(&host, "firewall-other");
    let address = other.address();
    for attack in [format!("ping -c 1 -W 2 {address}"), format!("nc -z -w 3 {address} 22")] {
        let refused = one.run_as_root(&attack).run();
        assert!(!refused.is_success(), "{refused}");
    }
    // The twin: the host reaches both, and each its own.
    for address in [address.as_str(), &one.address()] {
        host.command("ping").args(["-c", "1", "-W", "5", address]).ok();
        host.command("nc").args(["-z", "-w", "5", address, "22"]).ok();
    }
    other.run(&format!("nc -z -w 5 {address} 22")).ok();
}

/// Whether a TCP connection from inside comes about.
fn connects(from: &Agent, address: &str, port: u16) -> bool {
    from.run(&format!("nc -z -w 5 {address} {port}")).run().is_success()
}

#[test]
fn the_databases_are_reached_only_by_who_is_let_in_and_at_one_address_and_port() {
    let host = BerthHost::boot("firewall-databases");
    let one = Agent::create(&host, "firewall-one");
    let other = Agent::create(&host, "firewall-other");
    host.command("systemctl").args(["start", "postgresql"]).ok();
    // The twin: it listens.
    host.command("nc").args(["-z", "-w", "5", "10.100.0.1", "5432"]).ok();
    assert!(!connects(&one, "10.100.0.1", 5432) && !connects(&other, "10.100.0.1", 5432));

    let element = format!("{{ \"ve-{}\" . {} }}", one.container(), one.address());
    host.command("nft").args(["add", "element", "inet", "berth", "databases", &element]).ok();
    assert!(connects(&one, "10.100.0.1", 5432));
    // PostgreSQL itself answers, and knows no such role.
    let answer = one.run("PGPASSWORD=x psql -h 10.100.0.1 -U berth_d1 berth_d1 -c 'select 1'").run();
    assert!(!answer.is_success() && answer.stderr.contains("password authentication failed"), "{answer}");
    assert!(!connects(&other, "10.100.0.1", 5432));
    for (address, port) in [("10.100.0.1", 8080), ("198.51.100.2", 5432), ("198.51.100.2", 22)] {
        assert!(!connects(&one, address, port), "{address}:{port}");
    }

    // Its record does not say so: the next repair takes it back.
    let found = agent(&host, &["doctor"]).run();
    assert!(!found.is_success(), "{found}");
    agent(&host, &["doctor", "--fix"]).ok();
    agent(&host, &["doctor"]).ok();
    assert!(!connects(&one, "10.100.0.1", 5432));
    assert!(fetch(&one, "203.0.113.10").is_success());

    // Nor does it stay for whoever gets the berth next.
    host.command("nft").args(["add", "element", "inet", "berth", "databases", &element]).ok();
    one.destroy();
    let listed = host.command("nft").args(["list", "set", "inet", "berth", "databases"]).ok();
    assert!(!listed.stdout.contains("elements"), "{listed}");
}

/// Sends UDP from a source address of choice, with an IPv4 header of its own
/// making where the address is not one of the container.
const SPOOF: &str = r"
import socket, struct, sys
source, destination, port, words = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
length = 28 + len(words)
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, length, 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination))
udp = struct.pack('!HHHH', 4242, port, 8 + len(words), 0)
raw.sendto(ip + udp + words, (destination, port))
";

/// Prints whatever UDP comes to a port, until told to stop.
const LISTEN: &str = r"
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(('0.0.0.0', int(sys.argv[1])))
print('listening', flush=True)
while True:
    words, (source, _) = server.recvfrom(2000)
    print(source, words.decode(), flush=True)
    if words == b'end':
        break
";

/// A listener in the internet of the test host, which prints who sent what.
fn listen(host: &TestHost) -> Running {
    let listener =
        host.command("ip").args(["netns", "exec", "internet", "python3", "-uc", LISTEN, "5353"]).spawn();
    wait_until(PATIENT, "the listener is up", || listener.stdout_so_far().contains("listening"));
    listener
}

/// Sends these words to the listener.
fn send<'a>(from: &'a Agent, source: &str, words: &str) -> HostCommand<'a> {
    let python = ["--root", "--", "python3", "-c", SPOOF];
    from.command("run").args(python).args([source, "203.0.113.10", "5353", words])
}

#[test]
fn a_forged_source_address_gets_nowhere() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-forged");
    let other = Agent::create(&host, "firewall-forged-2");
    let (own, others) = (one.address(), other.address());
    let listener = listen(&host);
    let outside = ["8.8.8.8", "198.51.100.2", "203.0.113.10", "192.168.77.5", "127.0.0.1", "169.254.1.1"];
    for source in outside.iter().copied().chain([others.as_str(), "10.100.0.1", "10.100.0.0", "10.100.9.9"]) {
        // The kernel refuses some of them already inside.
        send(&one, source, "forged").run();
    }
    // The twin, sent last: packets of one sender keep their order.
    send(&one, &own, "end").ok();
    let seen = listener.wait().stdout;
    assert_eq!(seen, "listening\n198.51.100.2 end\n");
}

#[test]
fn an_address_that_a_container_gives_itself_gets_nowhere() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-added");
    for address in ["10.100.9.9", "203.0.113.77", "10.99.0.1"] {
        one.run_as_root(&format!("ip address add {address}/32 dev eth0")).ok();
        refused(&one, &format!("--interface {address}"), "203.0.113.10");
        assert!(fetch(&one, &format!("203.0.113.10 --interface {}", one.address())).is_success());
    }
    // Nor does another name for the interface help: the host's end counts.
    one.run_as_root("ip link set eth0 down && ip link set eth0 name ve-a999 && ip link set ve-a999 up && ip route add default dev ve-a999").run();
    refused(&one, "--interface 10.100.9.9", "203.0.113.10");
}

/// The link-local address of the host's end, once it has one.
fn link_local(host: &TestHost, container: &str) -> String {
    let interface = format!("ve-{container}");
    let mut address = String::new();
    wait_until(PATIENT, "the host's end has an address", || {
        let shown = host.command("ip").args(["-6", "-o", "address", "show", "dev", &interface]);
        let shown = shown.args(["scope", "link", "-tentative"]).ok().stdout;
        shown.split_whitespace().nth(3).unwrap_or_default().trim_end_matches("/64").clone_into(&mut address);
        !address.is_empty()
    });
    address
}

#[test]
fn the_hosts_link_local_ipv6_is_refused() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-ipv6");
    let address = link_local(&host, &one.container());
    for attack in [format!("ping -6 -c 1 -W 2 {address}%eth0"), format!("nc -6 -z -w 3 {address}%eth0 22")] {
        let refused = one.run_as_root(&attack).run();
        assert!(!refused.is_success(), "{refused}");
    }
}

#[test]
fn nobody_outside_reaches_a_container() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "firewall-inbound");
    let address = one.address();
    // The internet of the test host has a route to the containers.
    let from_outside =
        |words: &[&str]| host.command("ip").args(["netns", "exec", "internet"]).args(words).run();
    for attack in [&["nc", "-z", "-w", "3", &address, "22"][..], &["ping", "-c", "1", "-W", "2", &address]] {
        let refused = from_outside(attack);
        assert!(!refused.is_success(), "{refused}");
    }
    // The twins: it reaches the host, and the host the container.
    assert!(from_outside(&["nc", "-z", "-w", "5", "198.51.100.2", "22"]).is_success());
    host.command("nc").args(["-z", "-w", "5", &address, "22"]).ok();
}

#[test]
fn a_container_that_nobody_pinned_sends_nothing() {
    let host = BerthHost::boot("firewall-unpinned");
    let one = Agent::create(&host, "firewall-unpinned");
    assert!(fetch(&one, "203.0.113.10").is_success());
    let element = format!("{{ \"ve-{}\" . {} }}", one.container(), one.address());
    host.command("nft").args(["delete", "element", "inet", "berth", "sources", &element]).ok();
    refused(&one, "", "203.0.113.10");
    let refused = one.run_as_root("ping -c 1 -W 2 10.100.0.1").run();
    assert!(!refused.is_success(), "{refused}");

    // The guard does not start it so, and says why; Berth's own start pins it.
    let unit = one.unit();
    let since = JournalMark::now(&host);
    assert!(!host.command("systemctl").args(["restart", &unit]).run().is_success());
    let journal = since.messages_of(&unit);
    assert!(journal.contains("the firewall does not pin"), "{journal}");
    one.command("start").ok();
    assert!(fetch(&one, "203.0.113.10").is_success());
}

/// The twin of the refusals above: without the table they are not there.
fn everything_is_reached(host: &TestHost, one: &Agent) {
    let (own, address) = (one.address(), link_local(host, &one.container()));
    for url in ["192.168.77.1", "169.254.169.254", "10.100.0.1:8080", "198.51.100.2:8080"] {
        assert!(fetch(one, url).is_success(), "{url}");
    }
    one.run_as_root(&format!("ping -6 -c 20 -i 0.3 -W 1 {address}%eth0 && nc -6 -z -w 5 {address}%eth0 22"))
        .ok();
    host.command("ip").args(["netns", "exec", "internet", "ping", "-c", "1", "-W", "5", &own]).ok();
    let listener = listen(host);
    send(one, "10.100.9.9", "forged").ok();
    send(one, &own, "end").ok();
    assert_eq!(listener.wait().stdout, format!("listening\n10.100.9.9 forged\n{own} end\n"));
}

#[test]
fn without_the_table_no_container_starts_and_doctor_brings_it_back() {
    let host = BerthHost::boot("firewall-table");
    let one = Agent::create(&host, "firewall-table");
    host.command("nft").args(["delete", "table", "inet", "berth"]).ok();
    everything_is_reached(&host, &one);

    let unit = one.unit();
    let since = JournalMark::now(&host);
    assert!(!host.command("systemctl").args(["restart", &unit]).run().is_success());
    let journal = since.messages_of(&unit);
    assert!(journal.contains("the firewall table `inet berth` is not loaded"), "{journal}");
    let found = agent(&host, &["doctor"]).run();
    assert!(
        !found.is_success() && format!("{}{}", found.stdout, found.stderr).contains("firewall"),
        "{found}"
    );

    agent(&host, &["doctor", "--fix"]).ok();
    agent(&host, &["doctor"]).ok();
    one.ssh("true").ok();
    refused(&one, "", "192.168.77.1");
    assert!(fetch(&one, "203.0.113.10").is_success());
}

#[test]
fn containers_of_the_operator_are_left_alone() {
    let host = BerthHost::boot("firewall-operator");
    let one = Agent::create(&host, "firewall-operator");
    host.command("nixos-container")
        .args(["create", "web", "--system-path", "/nix/var/nix/gcroots/berth-testhost/plain"])
        .args(["--host-address", "10.98.0.1", "--local-address", "10.98.0.2"])
        .ok();
    host.command("nixos-container").args(["start", "web"]).ok();
    let inside = |script: &str| {
        host.command("systemd-run")
            .args(["-q", "-M", "web", "--pipe", "--wait", "--collect", "--", "/bin/sh", "-c", script])
            .run()
    };
    // What Berth's own may not: the host's services, private networks.
    for url in ["10.98.0.1:8080", "10.100.0.1:8080", "192.168.77.1"] {
        host.command("ip")
            .args(["-n", "internet", "route", "replace", "10.98.0.0/24", "via", "198.51.100.2"])
            .ok();
        let answer = inside(&format!("{FETCH} http://{url}"));
        assert!(answer.stdout.starts_with("place="), "{answer}");
        refused(&one, "", url);
    }
    // Neither reaches the other, nor does one pass for the other.
    let refused = inside(&format!("nc -z -w 3 {} 22", one.address()));
    assert!(!refused.is_success(), "{refused}");
    let refused = one.run("nc -z -w 3 10.98.0.2 22").run();
    assert!(!refused.is_success(), "{refused}");
    // The guard and every command of Berth pass by it.
    host.command("systemctl").args(["restart", "container@web.service"]).ok();
    agent(&host, &["doctor", "--fix"]).ok();
    one.destroy();
    assert_eq!(host.command("nixos-container").args(["status", "web"]).ok().stdout, "up\n");
}
