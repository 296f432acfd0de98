//! Agents with the host's GPU, by stand-ins: device nodes of another kind by
//! the names of NVIDIA's, and a folder behind a symlink as driver.
//!
//! The test host does not enforce `DevicePolicy`: what the unit allows is read
//! from its properties.

use berth_e2e::{Agent, BerthHost, TestHost, agent, json};

const CONFIGURATION: &str = "[gpu]\ndevices = [\"/dev/nvidia0\", \"/dev/nvidia-caps/nvidia-cap1\"]\n";

/// `/dev/zero` by other names, and libraries as NixOS has them: a symlink to a
/// folder elsewhere.
const STAND_INS: &str = "
set -e
mkdir -p /dev/nvidia-caps /srv/graphics-drivers/lib
mknod -m 666 /dev/nvidia0 c 1 5
mknod -m 666 /dev/nvidia-caps/nvidia-cap1 c 1 5
echo cuda >/srv/graphics-drivers/lib/libcuda.so.1
ln -s /srv/graphics-drivers /run/opengl-driver
";

/// The unit's property, in no order of ours.
fn allowed(host: &TestHost, unit: &str) -> Vec<String> {
    let shown = host.command("systemctl").args(["show", "--property=DeviceAllow", "--value", unit]).ok();
    let mut lines: Vec<String> = shown.stdout.lines().map(str::to_owned).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort_unstable();
    lines
}

/// What `agent doctor` says of the GPU: `severity message`.
fn findings(host: &TestHost) -> Vec<String> {
    let told = json(&agent(host, &["doctor", "--json"]).run());
    let all = told["findings"].as_array().expect("findings").iter();
    let of_gpu = all.filter(|finding| finding["check"] == "gpu");
    let word = |value: &berth_e2e::Value| value.as_str().expect("a text").to_owned();
    of_gpu.map(|one| format!("{} {}", word(&one["severity"]), word(&one["message"]))).collect()
}

#[test]
fn an_agent_that_asks_for_the_gpu_has_it_over_pauses_and_another_has_none() {
    let host = BerthHost::configured("e2e-gpu", CONFIGURATION);
    host.shell(STAND_INS).ok();
    agent(&host, &["build"]).ok();
    let with = Agent::create_with(&host, "with", &["--gpu"]);
    let without = Agent::create(&host, "without");

    let sees_it = || {
        // As the user who works there, to whom the nodes belong to nobody.
        let nodes = with.run("stat -c '%F %a %n' /dev/nvidia0 /dev/nvidia-caps/nvidia-cap1").ok();
        assert_eq!(
            nodes.stdout,
            "character special file 666 /dev/nvidia0\ncharacter special file 666 /dev/nvidia-caps/nvidia-cap1\n"
        );
        assert_eq!(with.run("head -c 2 /dev/nvidia0 | od -An -tx1").ok().stdout, " 00 00\n");
        assert_eq!(with.ssh("cat /run/opengl-driver/lib/libcuda.so.1").ok().stdout, "cuda\n");
        let written = with.run_as_root("echo mine >/run/opengl-driver/lib/libcuda.so.1").run();
        assert!(written.stderr.contains("Read-only file system"), "{written}");
        assert_eq!(allowed(&host, &with.unit()), ["/dev/nvidia-caps/nvidia-cap1 rw", "/dev/nvidia0 rw"]);
    };
    sees_it();
    with.command("stop").ok();
    with.command("start").ok();
    sees_it();

    let none = without.run_as_root("ls -d /dev/nvidia* /run/opengl-driver").run();
    assert!(!none.is_success() && none.stdout.is_empty(), "{none}");
    assert_eq!(allowed(&host, &without.unit()), [""; 0]);
    let gpu = serde_json::json!({
        "devices": ["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap1"], "driver": "/run/opengl-driver",
    });
    assert_eq!(with.info()["gpu"], gpu);
    assert_eq!(with.listed().expect("listed")["gpu"], gpu);
    assert!(without.info()["gpu"].is_null());
    let info = with.command("info").ok().stdout;
    assert!(info.contains("gpu        /dev/nvidia0, /dev/nvidia-caps/nvidia-cap1 with"), "{info}");

    let unit = with.unit();
    with.destroy();
    assert_eq!(allowed(&host, &unit), [""; 0], "the next agent of this berth has none");
    let next = Agent::create(&host, "next");
    assert_eq!(next.unit(), unit);
    assert_eq!(allowed(&host, &unit), [""; 0]);
    next.destroy();
    without.destroy();
    host.assert_clean();
}

#[test]
fn a_gpu_that_is_not_offered_or_not_there_is_refused_with_the_way_out() {
    let host = BerthHost::boot("e2e-gpu-absent");
    agent(&host, &["build"]).ok();
    let refused = |name: &str| {
        let output = agent(&host, &["create", name, "--gpu"]).run();
        assert!(!output.is_success(), "{output}");
        output.stderr
    };
    let told = refused("one");
    assert!(told.contains("add the section `[gpu]` to `/etc/berth/berth.toml`"), "{told}");
    assert!(findings(&host).is_empty(), "nobody offers one");

    host.configure(CONFIGURATION);
    let told = refused("one");
    assert!(told.contains("`/run/opengl-driver` does not exist"), "{told}");
    host.shell(STAND_INS).ok();
    let one = Agent::create_with(&host, "one", &["--gpu"]);
    one.command("stop").ok();
    host.shell("rm /dev/nvidia0").ok();
    let start = one.command("start").run();
    assert!(!start.is_success(), "{start}");
    assert!(
        start.stderr.contains("the device node `/dev/nvidia0` does not exist; see `agent doctor`"),
        "{start}"
    );
    let findings = findings(&host);
    let absent = "error the device node `/dev/nvidia0` does not exist".to_owned();
    assert!(findings.contains(&absent), "{findings:?}");
    one.destroy();
    host.assert_clean();
}
