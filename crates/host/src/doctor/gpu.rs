//! The GPU that the operator offers: its driver, its modules, its device nodes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use berth_core::gpu::DeviceNode;
use berth_core::{Gpu, Layout};

use super::Finding;
use crate::gpu::{Lack, missing};
use crate::host::Host;

const CHECK: &str = "gpu";
/// Readable and writable by everybody.
const OPEN: u32 = 0o006;

pub(super) fn check(host: &Host) -> Vec<Finding> {
    host.config.gpu.as_ref().map(|config| judge(&host.layout, &config.gpu)).unwrap_or_default()
}

/// The modules come first: nodes are absent because their module is.
fn judge(layout: &Layout, gpu: &Gpu) -> Vec<Finding> {
    let modules: BTreeSet<&str> = gpu.devices.iter().filter_map(DeviceNode::kernel_module).collect();
    let mut findings: Vec<Finding> =
        modules.into_iter().filter(|module| !is_loaded(layout, module)).map(not_loaded).collect();
    findings.extend(missing(layout, gpu).iter().map(absent));
    findings.extend(gpu.devices.iter().filter_map(|node| closed(layout, node)));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("{gpu}: modules, device nodes and driver are there")));
    }
    findings
}

fn is_loaded(layout: &Layout, module: &str) -> bool {
    layout.kernel_module(module).is_dir()
}

fn not_loaded(module: &str) -> Finding {
    let way_out = format!(
        "run `modprobe {module}` and `journalctl -k --grep 'NVRM|nvidia|amdgpu|lockdown'`; where Secure Boot is \
         on see docs/gpu.md"
    );
    Finding::error(CHECK, format!("the kernel module `{module}` is not loaded"), way_out)
}

fn absent(lack: &Lack) -> Finding {
    let way_out = match lack {
        Lack::Node(_) => "run `nvidia-modprobe -c 0 -u` once the module is loaded, or correct `gpu.devices`",
        Lack::CharacterDevice(_) => "remove it and have the driver make it anew, or correct `gpu.devices`",
        Lack::Driver(_) => "set `services.berth.nvidia.enable = true`, or correct `gpu.driver`",
    };
    Finding::error(CHECK, lack.to_string(), way_out)
}

/// Inside, the host's users and groups are nobody: only the rights of all
/// others count.
fn closed(layout: &Layout, node: &DeviceNode) -> Option<Finding> {
    let mode = fs::metadata(layout.on_host(node.path())).ok()?.permissions().mode();
    (mode & OPEN != OPEN).then(|| {
        Finding::warning(
            CHECK,
            format!("`{node}` has mode {:04o}: nobody inside a container may open it", mode & 0o7777),
            "have the driver make it with mode 0666 (`NVreg_DeviceFileMode=0666`, or a udev rule)",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn gpu() -> Gpu {
        let devices = ["/dev/nvidia0", "/dev/nvidia-uvm"].map(|path| path.parse().expect("a node"));
        Gpu { devices: devices.into(), driver: "/run/opengl-driver".parse().expect("a folder") }
    }

    fn messages(layout: &Layout) -> Vec<String> {
        judge(layout, &gpu()).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn all_that_a_gpu_lacks_is_told_and_nothing_when_it_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        assert_eq!(
            messages(&layout),
            [
                "the kernel module `nvidia` is not loaded",
                "the kernel module `nvidia_uvm` is not loaded",
                "the driver's folder `/run/opengl-driver` does not exist",
                "the device node `/dev/nvidia0` does not exist",
                "the device node `/dev/nvidia-uvm` does not exist",
            ]
        );

        fs::create_dir_all(layout.kernel_module("nvidia")).expect("a folder");
        fs::create_dir_all(layout.kernel_module("nvidia_uvm")).expect("a folder");
        fs::create_dir_all(layout.on_host(gpu().driver.path())).expect("a folder");
        let [card, uvm] = ["dev/nvidia0", "dev/nvidia-uvm"].map(|path| folder.path().join(path));
        fs::create_dir_all(folder.path().join("dev")).expect("a folder");
        fs::write(&card, "").expect("written");
        symlink("/dev/null", uvm).expect("linked");
        assert!(messages(&layout).contains(&"`/dev/nvidia0` is no character device".to_owned()));

        fs::remove_file(&card).expect("removed");
        symlink("/dev/null", &card).expect("linked");
        let findings = judge(&layout, &gpu());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].severity, super::super::Severity::Ok);
    }
}
