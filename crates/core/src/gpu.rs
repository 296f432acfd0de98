//! GPUs: what a container may be given of one.
//!
//! A container with a GPU sees its device nodes, which its unit is allowed to
//! open, and the folder with the driver's libraries, read-only. The guard has no
//! configuration and reads these paths back from a file, so their alphabet is
//! what limits it: only names that GPUs have, and no disk or memory.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::conf_file::NspawnFlag;

/// Where programs inside look for the driver's libraries, as on every NixOS.
pub const DRIVER_INSIDE: &str = "/run/opengl-driver";

/// What one container is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The device nodes, at the same paths inside.
    pub devices: Vec<DeviceNode>,
    /// The folder of the driver's libraries on the host.
    pub driver: DriverFolder,
}

impl Gpu {
    /// The options that show them inside: the nodes as they are, the libraries
    /// read-only.
    pub fn flags(&self) -> Vec<NspawnFlag> {
        let driver = NspawnFlag::bind_read_only(self.driver.path(), DRIVER_INSIDE);
        let devices = self.devices.iter().map(|node| NspawnFlag::new(format!("{BIND}{node}")));
        devices.chain([driver]).map(|flag| flag.expect("paths of GPUs are plain")).collect()
    }

    /// The properties as `systemctl set-property` takes them. Without them the
    /// unit's `DevicePolicy=closed` refuses to open what is bound. Reading and
    /// writing only: nobody inside makes nodes.
    pub fn properties(&self) -> Vec<String> {
        self.devices.iter().map(|node| format!("DeviceAllow={node} rw")).collect()
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices: Vec<&str> = self.devices.iter().map(DeviceNode::as_str).collect();
        write!(f, "{} with {}", devices.join(", "), self.driver)
    }
}

const BIND: &str = "--bind=";

/// Whether an nspawn option is one of those that bind a GPU's device node.
pub(crate) fn is_device_flag(word: &str) -> bool {
    word.strip_prefix(BIND).is_some_and(|path| path.parse::<DeviceNode>().is_ok())
}

/// The path of a GPU's device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceNode(String);

/// A text that is no path of a GPU's device node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no device node of a GPU: write such as `/dev/nvidia0`, `/dev/nvidia-caps/nvidia-cap1`, \
     `/dev/dri/renderD128` or `/dev/kfd`"
)]
pub struct DeviceNodeError(String);

impl DeviceNode {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The kernel module that makes it, where its name tells that.
    pub fn kernel_module(&self) -> Option<&'static str> {
        match self.0.strip_prefix("/dev/")? {
            "nvidia-modeset" => Some("nvidia_modeset"),
            "nvidia-uvm" | "nvidia-uvm-tools" => Some("nvidia_uvm"),
            name if name.starts_with("nvidia") => Some("nvidia"),
            "kfd" => Some("amdgpu"),
            _ => None,
        }
    }
}

impl FromStr for DeviceNode {
    type Err = DeviceNodeError;

    fn from_str(text: &str) -> Result<Self, DeviceNodeError> {
        let is_gpu = text.strip_prefix("/dev/").is_some_and(is_name_of_gpu);
        is_gpu.then(|| Self(text.to_owned())).ok_or_else(|| DeviceNodeError(text.escape_debug().to_string()))
    }
}

impl fmt::Display for DeviceNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

text_form!(DeviceNode, DeviceNodeError);

fn is_name_of_gpu(name: &str) -> bool {
    if name == "kfd" {
        return true;
    }
    let numbered = ["nvidia-caps/nvidia-cap", "dri/card", "dri/renderD"];
    if let Some(number) = numbered.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        return (1..=4).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    }
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    // `nvidia-caps` is a folder of nodes.
    let rest = name.strip_prefix("nvidia").filter(|rest| *rest != "-caps");
    rest.is_some_and(|rest| (1..=32).contains(&rest.len()) && rest.bytes().all(is_plain))
}

/// The absolute path of the folder with the driver's libraries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriverFolder(String);

/// A text that is no such path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no folder of a driver: write an absolute path of `A-Z a-z 0-9 _ . - + /` without `.` and `..`, \
     such as `/run/opengl-driver`"
)]
pub struct DriverFolderError(String);

impl DriverFolder {
    /// The path.
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromStr for DriverFolder {
    type Err = DriverFolderError;

    fn from_str(text: &str) -> Result<Self, DriverFolderError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-+".contains(&b);
        let is_segment = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(is_plain);
        let is_path = text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment));
        is_path
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| DriverFolderError(text.escape_debug().to_string()))
    }
}

impl fmt::Display for DriverFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

text_form!(DriverFolder, DriverFolderError);

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu() -> Gpu {
        let node = |path: &str| path.parse().expect("a node");
        Gpu {
            devices: vec![node("/dev/nvidia0"), node("/dev/nvidia-uvm")],
            driver: DRIVER_INSIDE.parse().expect("a folder"),
        }
    }

    #[test]
    fn nodes_are_bound_and_allowed_and_libraries_are_read_only() {
        let flags: Vec<String> = gpu().flags().iter().map(ToString::to_string).collect();
        assert_eq!(
            flags,
            [
                "--bind=/dev/nvidia0",
                "--bind=/dev/nvidia-uvm",
                "--bind-ro=/run/opengl-driver:/run/opengl-driver"
            ]
        );
        assert_eq!(gpu().properties(), ["DeviceAllow=/dev/nvidia0 rw", "DeviceAllow=/dev/nvidia-uvm rw"]);
        assert_eq!(gpu().to_string(), "/dev/nvidia0, /dev/nvidia-uvm with /run/opengl-driver");
    }

    #[test]
    fn only_names_that_gpus_have_are_device_nodes() {
        for path in [
            "/dev/nvidia0",
            "/dev/nvidia15",
            "/dev/nvidiactl",
            "/dev/nvidia-uvm",
            "/dev/nvidia-uvm-tools",
            "/dev/nvidia-modeset",
            "/dev/nvidia-caps/nvidia-cap1",
            "/dev/dri/card0",
            "/dev/dri/renderD128",
            "/dev/kfd",
        ] {
            assert_eq!(path.parse::<DeviceNode>().expect(path).as_str(), path);
            assert!(is_device_flag(&format!("--bind={path}")), "{path}");
        }
        for path in [
            "",
            "nvidia0",
            "/dev/nvidia",
            "/dev/sda",
            "/dev/mem",
            "/dev/kvm",
            "/dev/net/tun",
            "/dev/dri",
            "/dev/dri/",
            "/dev/dri/card",
            "/dev/dri/card0/x",
            "/dev/dri/../sda",
            "/dev/nvidia-caps",
            "/dev/nvidia0/../sda",
            "/dev/nvidia0:/dev/sda",
            "/dev/nvidia0:/etc/passwd:idmap",
            "/dev/nvidia0 --capability=all",
            "/dev/nvidia0\n",
            "/dev/nvidiaä",
            "/dev/nvidia00000000000000000000000000000000000",
            "/dev//nvidia0",
            "//dev/nvidia0",
            "/etc",
        ] {
            assert!(path.parse::<DeviceNode>().is_err(), "{path:?}");
            assert!(!is_device_flag(&format!("--bind={path}")), "{path:?}");
        }
        assert!(!is_device_flag("--bind-ro=/dev/nvidia0"));
    }

    #[test]
    fn a_driver_lies_in_a_plain_absolute_folder() {
        for path in ["/run/opengl-driver", "/nix/store/x-graphics-drivers", "/opt/driver_1.2+x"] {
            assert_eq!(path.parse::<DriverFolder>().expect(path).to_string(), path);
        }
        for path in ["", "/", "run", "/run/", "/run//x", "/run/../etc", "/a b", "/a:b", "/a,b", "/ä", "/a\n"]
        {
            assert!(path.parse::<DriverFolder>().is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_record_is_read_back_and_a_bad_one_is_refused() {
        let json = serde_json::to_string(&gpu()).expect("JSON");
        assert_eq!(json, r#"{"devices":["/dev/nvidia0","/dev/nvidia-uvm"],"driver":"/run/opengl-driver"}"#);
        assert_eq!(serde_json::from_str::<Gpu>(&json).expect("read back"), gpu());
        assert!(serde_json::from_str::<Gpu>(r#"{"devices":["/dev/sda"],"driver":"/run/x"}"#).is_err());
    }

    #[test]
    fn the_module_of_a_node_is_known() {
        let module = |path: &str| path.parse::<DeviceNode>().expect(path).kernel_module();
        assert_eq!(module("/dev/nvidia0"), Some("nvidia"));
        assert_eq!(module("/dev/nvidiactl"), Some("nvidia"));
        assert_eq!(module("/dev/nvidia-uvm-tools"), Some("nvidia_uvm"));
        assert_eq!(module("/dev/nvidia-modeset"), Some("nvidia_modeset"));
        assert_eq!(module("/dev/kfd"), Some("amdgpu"));
        assert_eq!(module("/dev/dri/renderD128"), None);
    }
}
