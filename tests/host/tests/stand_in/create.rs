//! `create`: outputs, exit codes and what it does not check.

use berth_testhost::TestHost;

use crate::plain::{CLOSURE, Plain};

#[test]
fn create_prints_the_addresses_on_stderr_only() {
    let host = TestHost::shared();
    let plain = Plain::unmade(&host);
    let created = plain.create().ok();
    assert_eq!(created.stdout, "");
    assert_eq!(
        created.stderr,
        format!("host IP is {}, container IP is {}\n", plain.host_address, plain.address)
    );
}

#[test]
fn create_writes_the_configuration_and_the_profile_but_no_root() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    assert_eq!(
        host.read_file(&plain.configuration()),
        format!(
            "PRIVATE_NETWORK=1\nHOST_ADDRESS={}\nLOCAL_ADDRESS={}\nHOST_BRIDGE=\nHOST_PORT=\nAUTO_START=0\n",
            plain.host_address, plain.address
        )
    );
    assert!(host.exists(&format!("/nix/var/nix/profiles/per-container/{}/system", plain.name)));
    assert!(!host.exists(&plain.path("")));
}

#[test]
fn creating_a_name_twice_is_code_25() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let again = plain.create().run();
    assert_eq!(again.code(), Some(25), "{again}");
    assert!(again.stderr.contains(&format!("container ‘{}’ already exists", plain.name)), "{again}");
}

#[test]
fn a_name_of_12_characters_is_too_long_and_code_2() {
    let host = TestHost::shared();
    let created =
        host.command("nixos-container").args(["create", "op-abcdefghi", "--system-path", CLOSURE]).run();
    assert_eq!(created.code(), Some(2), "{created}");
    assert!(created.stderr.contains("container name ‘op-abcdefghi’ is too long"), "{created}");
}

#[test]
fn a_character_outside_the_alphabet_is_code_255() {
    let host = TestHost::shared();
    for name in ["op-a.b", "op-ä", "op/a", "op a"] {
        let created = host.command("nixos-container").args(["create", name, "--system-path", CLOSURE]).run();
        assert_eq!(created.code(), Some(255), "{created}");
        assert!(created.stderr.contains("invalid container name"), "{created}");
    }
}

#[test]
fn a_bad_system_path_is_code_2_and_leaves_nothing() {
    let host = TestHost::shared();
    let plain = Plain::unmade(&host);
    let created = plain.tool("create").args(["--system-path", "/nix/store/no-such-path"]).run();
    assert_eq!(created.code(), Some(2), "{created}");
    assert!(created.stderr.contains("error: "), "Nix says why first: {created}");
    assert!(created.stderr.contains("failed to set initial container configuration"), "{created}");
    assert!(!host.exists(&plain.configuration()));
    assert!(!host.exists(&format!("/nix/var/nix/profiles/per-container/{}", plain.name)));
}

#[test]
fn one_address_without_the_other_is_code_255() {
    let host = TestHost::shared();
    let plain = Plain::unmade(&host);
    let created = plain.tool("create").args(["--system-path", CLOSURE, "--host-address", "10.99.0.2"]).run();
    assert_eq!(created.code(), Some(255), "{created}");
    assert!(created.stderr.contains("--local-address is required as well"), "{created}");
}

#[test]
fn without_root_create_is_code_13() {
    let host = TestHost::shared();
    let plain = Plain::unmade(&host);
    let created = plain.create().as_user("alice").run();
    assert_eq!(created.code(), Some(13), "{created}");
    assert!(created.stderr.contains("/run/lock/nixos-container: Permission denied"), "{created}");
}

#[test]
fn names_are_accepted_that_nspawn_refuses() {
    let host = TestHost::shared();
    let mut plain = Plain::unmade(&host);
    plain.name = format!("{}-", &plain.name[..plain.name.len().min(10)]);
    plain.create().ok();
    let started = plain.tool("start").run();
    assert_eq!(started.code(), Some(1), "{started}");
}

#[test]
fn two_containers_get_one_address_and_the_second_fails_at_start() {
    let host = TestHost::shared();
    let first = Plain::started(&host);
    let mut second = Plain::unmade(&host);
    second.host_address.clone_from(&first.host_address);
    second.address.clone_from(&first.address);
    second.create().ok();
    let started = second.tool("start").run();
    assert_eq!(started.code(), Some(1), "{started}");
    let journal = host.command("journalctl").args(["-q", "-u", &second.unit()]).ok().stdout;
    assert!(journal.contains("RTNETLINK answers: File exists"), "{journal}");
}

#[test]
fn an_old_root_is_adopted_by_the_next_create() {
    let host = TestHost::shared();
    let plain = Plain::unmade(&host);
    host.write_file(&plain.path("/root/old-file"), "from before", 0o600);
    plain.create().ok();
    assert_eq!(host.read_file(&plain.path("/root/old-file")), "from before");
}
