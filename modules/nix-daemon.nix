# The Nix daemon builds what repositories ask for: it must confine builds, and
# leave room for what runs.
{ config, lib, ... }:
let
  cfg = config.services.berth;

  # As systemd reads it (systemd.resource-control(5)).
  amount = lib.types.strMatching "[1-9][0-9]*[KMGT]?|([1-9][0-9]?|100)%";
  limit =
    default: example: description:
    lib.mkOption {
      type = lib.types.nullOr amount;
      inherit default example description;
    };
  weight =
    default: description:
    lib.mkOption {
      type = lib.types.ints.between 1 10000;
      inherit default description;
      example = 20;
    };
in
{
  options.services.berth.builds = {
    memoryHigh = limit "50%" "8G" ''
      Memory of the Nix daemon and all builds together from which on they are slowed down
      (`MemoryHigh`): an amount, or a part of the host's memory. No limit when null.
    '';
    memoryMax = limit "75%" "16G" ''
      Memory of the Nix daemon and all builds together at which builds are killed (`MemoryMax`). No
      limit when null.
    '';
    cpuWeight = weight 50 "Share of the processors that builds get while others want them; 100 is the share of others.";
    ioWeight = weight 50 "Share of the disks that builds get while others want them; 100 is the share of others.";
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.nix.enable;
        message = "nix.enable is false, and Berth builds and keeps its closures with Nix: set it to true.";
      }
      {
        assertion = config.nix.settings.sandbox == true;
        message = ''
          nix.settings.sandbox is ${builtins.toJSON config.nix.settings.sandbox}: builds of previews come
          from repositories, and outside the sandbox they read the host. Set it to true.
        '';
      }
    ];

    nix.settings.experimental-features = [
      "nix-command"
      "flakes"
    ];

    # A slice of its own, so that the limits hold for builds wherever the
    # daemon puts them.
    systemd.slices.berth-builds = {
      description = "Builds of the Nix daemon";
      sliceConfig =
        lib.filterAttrs (_: value: value != null) {
          MemoryHigh = cfg.builds.memoryHigh;
          MemoryMax = cfg.builds.memoryMax;
        }
        // {
          CPUWeight = cfg.builds.cpuWeight;
          IOWeight = cfg.builds.ioWeight;
        };
    };
    systemd.services.nix-daemon.serviceConfig.Slice = lib.mkDefault "berth-builds.slice";
  };
}
