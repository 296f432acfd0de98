# NVIDIA cards: driver, kernel modules and device nodes on the host, and the
# offer of them to agents and previews. docs/gpu.md tells how to choose.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.berth.nvidia;

  isDataCentre = cfg.driver == "data-centre";
  packages = config.boot.kernelPackages.nvidiaPackages;

  # With these a kernel that checks signatures refuses the driver: nothing signs
  # NVIDIA's modules with a key that the kernel knows. The kernels of NixOS are
  # built without the check, so that there they would promise what is not done.
  signatureParams = lib.filter (
    param:
    lib.elem param [
      "module.sig_enforce"
      "module.sig_enforce=1"
      "module.sig_enforce=y"
      "lockdown=integrity"
      "lockdown=confidentiality"
    ]
  ) config.boot.kernelParams;
in
{
  options.services.berth.nvidia = {
    enable = lib.mkEnableOption "the driver of NVIDIA cards, and the offer of these cards to agents and previews";

    driver = lib.mkOption {
      type = lib.types.enum [
        "production"
        "open"
        "data-centre"
      ];
      default = "open";
      description = ''
        Driver that is installed: `open` is NVIDIA's production branch with its open kernel modules
        (for Turing and newer cards; the only ones for Blackwell), `production` the same branch with
        the proprietary modules (for older cards, as long as the branch knows them), `data-centre`
        the branch for data centre cards, with the proprietary modules.
        `hardware.nvidia.package` and `hardware.nvidia.open` win over it.
      '';
    };

    cards = lib.mkOption {
      type = lib.types.ints.between 1 16;
      default = 1;
      example = 2;
      description = ''
        Number of cards: `/dev/nvidia0` and so on. Whoever gets the GPU gets all of them, unless
        `services.berth.settings.gpu.devices` names fewer.
      '';
    };

    fabricManager = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether NVIDIA's fabric manager runs, which boards with NVSwitch need before any program
        can use their cards. It comes with the driver `data-centre` alone.
      '';
    };

    containerToolkit = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = ''
        Whether the host describes its cards to Docker and Podman (CDI). Berth's containers do not
        need it.
      '';
    };

    setUnfreePredicate = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = ''
        Whether `nixpkgs.config.allowUnfreePredicate` is set to let exactly
        `services.berth.nvidia.unfreePackages` be installed. Nixpkgs takes one predicate: turn this
        off where the host has another, and let that one accept these names too.
      '';
    };

    unfreePackages = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "claude-code" ];
      description = ''
        Names of the unfree packages that may be installed. The names of the driver are always among
        them; further ones can be added, as Nixpkgs takes one predicate only.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.fabricManager -> isDataCentre;
        message = ''
          services.berth.nvidia.fabricManager is true and services.berth.nvidia.driver is "${cfg.driver}": set the driver to "data-centre", or the fabric manager to false.
        '';
      }
      {
        assertion = isDataCentre -> pkgs.stdenv.hostPlatform.isx86_64;
        message = ''
          services.berth.nvidia.driver is "data-centre", which there is for x86_64 only: set it to "open".
        '';
      }
      {
        assertion = signatureParams == [ ];
        message = ''
          boot.kernelParams has ${toString signatureParams}, with which a kernel that checks signatures refuses the NVIDIA modules, as nothing signs them. Leave it out, or set services.berth.nvidia.enable to false; docs/gpu.md tells what Secure Boot does and does not.
        '';
      }
    ];

    services.berth.nvidia.unfreePackages = [
      "fabricmanager"
      "nvidia-persistenced"
      "nvidia-settings"
      "nvidia-x11"
    ];
    nixpkgs.config = lib.mkIf cfg.setUnfreePredicate {
      allowUnfreePredicate = package: lib.elem (lib.getName package) cfg.unfreePackages;
    };

    # That is how NixOS is told to install the driver, with or without X, which
    # stays off. With the fabric manager it is told in another way, and refuses
    # both.
    services.xserver.videoDrivers = lib.mkIf (!cfg.fabricManager) [ "nvidia" ];

    hardware = {
      nvidia = {
        package = lib.mkDefault (if isDataCentre then packages.dc else packages.production);
        # Above the default of nixpkgs, below what the operator says.
        open = lib.mkOverride 900 (cfg.driver == "open");
        datacenter.enable = cfg.fabricManager;
        # Without it the driver is set up anew, for seconds, by each program that
        # is the only one at that moment.
        nvidiaPersistenced = true;
        # A graphical program, and a large part of the closure.
        nvidiaSettings = false;
      };

      graphics = {
        enable = true;
        # So that `/run/opengl-driver/bin/nvidia-smi` is there inside too, of the
        # version that the kernel modules have.
        extraPackages = [ (lib.getBin config.hardware.nvidia.package) ];
      };

      nvidia-container-toolkit.enable = cfg.containerToolkit;
    };

    # At boot, and not with the first program: NixOS' udev rules make the device
    # nodes, mode 0666, when the modules are loaded, and a container is only
    # given nodes that are there. nvidia-uvm follows by a soft dependency.
    boot.kernelModules = [ "nvidia" ];

    services.berth.settings.gpu.devices = lib.mkDefault (
      lib.genList (card: "/dev/nvidia${toString card}") cfg.cards
      ++ [
        "/dev/nvidiactl"
        "/dev/nvidia-uvm"
        "/dev/nvidia-uvm-tools"
      ]
    );
  };
}
