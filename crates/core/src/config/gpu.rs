//! What containers may be given of a GPU: the section `[gpu]`.

use super::reader::Section;
use crate::RepoName;
use crate::gpu::{DRIVER_INSIDE, DeviceNode, Gpu};

/// What one NVIDIA card needs for computing.
const DEVICES: [&str; 4] = ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"];

/// The host's GPU, and who gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuConfig {
    /// What an agent made with `--gpu` gets.
    pub gpu: Gpu,
    /// The repositories whose trusted previews get it too.
    pub repositories: Vec<RepoName>,
}

/// Reads the section; nothing where it is missing.
pub(super) fn gpu(top: &mut Section) -> Option<GpuConfig> {
    top.section_if_any("gpu", |section| GpuConfig {
        gpu: Gpu {
            devices: devices(section),
            driver: section
                .parsed("driver")
                .unwrap_or_else(|| DRIVER_INSIDE.parse().expect("the default is a folder")),
        },
        repositories: section.parsed_list("repositories"),
    })
}

fn devices(section: &mut Section) -> Vec<DeviceNode> {
    let default = || DEVICES.iter().map(|path| path.parse().expect("the default is a node")).collect();
    let Some(devices): Option<Vec<DeviceNode>> = section.parsed_list_if_any("devices") else {
        return default();
    };
    if devices.is_empty() && !section.has_problem("devices") {
        section.problem("devices", "is empty: name the device nodes, or leave `[gpu]` out".to_owned());
    }
    for (index, node) in devices.iter().enumerate() {
        if devices[..index].contains(node) {
            section.problem("devices", format!("`{node}` is there twice"));
        }
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> Option<GpuConfig> {
        Config::parse(text).expect("a good file").gpu
    }

    #[test]
    fn without_the_section_nobody_gets_a_gpu() {
        assert_eq!(read(""), None);
    }

    #[test]
    fn an_empty_section_is_one_card_for_agents() {
        let config = read("[gpu]\n").expect("a GPU");
        assert_eq!(
            config.gpu.to_string(),
            "/dev/nvidia0, /dev/nvidiactl, /dev/nvidia-uvm, /dev/nvidia-uvm-tools with /run/opengl-driver"
        );
        assert_eq!(config.repositories, []);
    }

    #[test]
    fn every_key_is_read() {
        let config = read(
            r#"
            [gpu]
            devices = ["/dev/dri/renderD128", "/dev/kfd"]
            driver = "/opt/driver"
            repositories = ["Acme/ml"]
            "#,
        );
        let config = config.expect("a GPU");
        assert_eq!(config.gpu.to_string(), "/dev/dri/renderD128, /dev/kfd with /opt/driver");
        assert_eq!(config.repositories, ["acme/ml".parse().expect("a repository")]);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error = Config::parse(
            r#"
            [gpu]
            devices = ["/dev/sda", "/dev/nvidia0", "/dev/nvidia0"]
            driver = "/run/../etc"
            repositories = ["ml"]
            device = "/dev/nvidia0"
            "#,
        )
        .expect_err("a bad file");
        insta::assert_snapshot!(error);
        insta::assert_snapshot!(Config::parse("[gpu]\ndevices = []\n").expect_err("no device"), @"
        the configuration has 1 problem:
          `gpu.devices`: is empty: name the device nodes, or leave `[gpu]` out
        ");
    }
}
