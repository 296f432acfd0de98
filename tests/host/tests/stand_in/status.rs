//! `status`, `list` and what is said of missing containers.

use berth_testhost::TestHost;

use crate::plain::Plain;

#[test]
fn status_says_up_or_down() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    assert_eq!(plain.tool("status").ok().stdout, "down\n");
    plain.tool("start").ok();
    assert_eq!(plain.tool("status").ok().stdout, "up\n");
}

#[test]
fn status_of_a_missing_container_says_gone_and_is_code_2() {
    let host = TestHost::shared();
    let status = Plain::unmade(&host).tool("status").run();
    assert_eq!((status.code(), status.stdout.as_str()), (Some(2), "gone\n"));
    assert!(status.stderr.contains("does not exist"), "{status}");
}

#[test]
fn verbs_on_a_missing_container_are_code_2() {
    let host = TestHost::shared();
    let plain = Plain::unmade(&host);
    for verb in ["start", "stop", "restart", "terminate", "run", "show-ip", "update"] {
        let output = plain.tool(verb).run();
        assert_eq!((output.code(), output.stdout.as_str()), (Some(2), ""), "{output}");
        assert!(output.stderr.contains(&format!("container ‘{}’ does not exist", plain.name)), "{output}");
    }
}

#[test]
fn list_prints_one_name_a_line() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let listed = host.command("nixos-container").arg("list").ok().stdout;
    assert!(listed.lines().any(|line| line == plain.name), "{listed}");
}

#[test]
fn show_ip_prints_the_containers_address() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    assert_eq!(plain.tool("show-ip").ok().stdout, format!("{}\n", plain.address));
}

#[test]
fn show_host_key_follows_links_of_the_container() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    host.write_file(&plain.path("/etc/ssh/placeholder"), "", 0o644);
    let link = plain.path("/etc/ssh/ssh_host_ed25519_key.pub");
    host.command("ln").args(["-s", "/etc/hostname", &link]).ok();
    assert_eq!(plain.tool("show-host-key").ok().stdout, host.read_file("/etc/hostname"));
}
