//! Reading the kernel's table of TCP connections.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

/// `TCP_ESTABLISHED` and `TCP_LISTEN` in the kernel's `net/tcp_states.h`.
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;
/// Logins are no visitors.
const SSH: u16 = 22;

struct Connection {
    local: SocketAddrV4,
    remote: SocketAddrV4,
    state: u8,
}

/// How many established connections lead from here to `address`: those whose
/// own end is no port that something here listens on.
pub(super) fn opened_to(table: &str, address: Ipv4Addr) -> io::Result<usize> {
    let connections: Vec<Connection> = table
        .lines()
        .skip(1)
        .map(|line| parse(line).ok_or_else(|| unknown(line)))
        .collect::<Result<_, _>>()?;
    let listening: BTreeSet<SocketAddrV4> =
        connections.iter().filter(|one| one.state == LISTEN).map(|one| one.local).collect();
    let is_incoming = |local: &SocketAddrV4| {
        let anywhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, local.port());
        listening.contains(local) || listening.contains(&anywhere)
    };
    let opened = connections.iter().filter(|one| {
        one.state == ESTABLISHED
            && *one.remote.ip() == address
            && one.remote.port() != SSH
            && !is_incoming(&one.local)
    });
    Ok(opened.count())
}

fn unknown(line: &str) -> io::Error {
    let shown = line.escape_debug();
    io::Error::new(io::ErrorKind::InvalidData, format!("`{shown}` is no line of the kernel's TCP table"))
}

/// `sl local remote state …`: addresses as the bytes lie in memory, ports as
/// numbers, all in hexadecimal.
fn parse(line: &str) -> Option<Connection> {
    let mut words = line.split_ascii_whitespace();
    words.next()?.strip_suffix(':')?.parse::<u64>().ok()?;
    let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
    let state = words.next().filter(|word| word.len() == 2)?;
    Some(Connection { local, remote, state: u8::from_str_radix(state, 16).ok()? })
}

fn end(word: &str) -> Option<SocketAddrV4> {
    let (address, port) =
        word.split_once(':').filter(|(address, port)| address.len() == 8 && port.len() == 4)?;
    let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
    Some(SocketAddrV4::new(address.into(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    const REST: &str =
        "00000000:00000000 00:00000000 00000000     0        0 478460 1 0000000000000000 20 4 30 10 -1";

    /// A table of lines `LOCAL REMOTE STATE`.
    fn table(lines: &[(&str, &str, u8)]) -> String {
        let word = |end: &str| {
            let end: SocketAddrV4 = end.parse().expect("an address and a port");
            format!("{:08X}:{:04X}", u32::from_ne_bytes(end.ip().octets()), end.port())
        };
        let lines = lines.iter().enumerate().map(|(number, (local, remote, state))| {
            format!("{number:4}: {} {} {state:02X} {REST}\n", word(local), word(remote))
        });
        format!("{HEAD}\n{}", lines.collect::<String>())
    }

    #[test]
    fn what_the_host_opened_to_the_container_counts_and_nothing_else() {
        let table = table(&[
            ("10.100.0.1:5432", "0.0.0.0:0", LISTEN),
            ("0.0.0.0:443", "0.0.0.0:0", LISTEN),
            ("10.100.0.24:40000", "10.100.0.25:8080", ESTABLISHED),
            ("10.100.0.24:40001", "10.100.0.25:3000", ESTABLISHED),
            ("10.100.0.24:40002", "10.100.0.25:22", ESTABLISHED),
            ("10.100.0.24:40003", "10.100.0.25:8080", 6),
            ("10.100.0.26:40004", "10.100.0.27:8080", ESTABLISHED),
            ("10.100.0.1:5432", "10.100.0.25:51000", ESTABLISHED),
            ("10.100.0.24:443", "10.100.0.25:51001", ESTABLISHED),
        ]);
        let opened = |last| opened_to(&table, Ipv4Addr::new(10, 100, 0, last)).expect("a table");
        assert_eq!([opened(25), opened(27), opened(29)], [2, 1, 0]);
    }

    #[test]
    fn a_table_of_another_form_is_an_error_and_not_an_empty_one() {
        for line in
            ["x", "0: 0100007F:0016", "0: 0100007F:0016 00000000:0000 1", "0: 0100007F 00000000:0000 01"]
        {
            let error = opened_to(&format!("{HEAD}\n{line}\n"), Ipv4Addr::LOCALHOST).expect_err(line);
            assert_eq!(error.to_string(), format!("`{line}` is no line of the kernel's TCP table"));
        }
        assert_eq!(opened_to(HEAD, Ipv4Addr::LOCALHOST).expect("an empty table"), 0);
    }
}
