# The containers' network as far as it is the host's: the services address, the
# resolver on it, forwarding, and that nothing else manages the interfaces.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.berth;
  network = cfg.network;
  inherit (network) servicesAddress servicesInterface;

  subnet = import ../nix/lib/subnet.nix;
  setup = import ./network-setup.nix;
  ip = "${pkgs.iproute2}/bin/ip";
  # Shell patterns: the containers of the operator (`ve-web`) are left alone.
  berthInterfaces = "ve-[ap][1-9]*";
  hasResolved = network.resolver == "resolved";

  setAddress = [
    # It may be there already.
    "-${ip} link add ${servicesInterface} type dummy"
    "${ip} address replace ${servicesAddress}/32 dev ${servicesInterface}"
    "${ip} link set ${servicesInterface} up"
  ];

  stub = pkgs.writeText "berth-resolved.conf" ''
    # Containers ask here.
    [Resolve]
    DNSStubListenerExtra=${servicesAddress}
  '';
in
{
  options.services.berth.network = {
    enable = lib.mkEnableOption "the network of the containers on this host" // {
      default = true;
    };

    servicesInterface = lib.mkOption {
      type = lib.types.strMatching "[a-z][a-z0-9-]{0,14}";
      default = "berth0";
      example = "services";
      description = "Name of the dummy interface that has the services address.";
    };

    servicesAddress = lib.mkOption {
      type = lib.types.str;
      internal = true;
      readOnly = true;
      default = subnet.servicesAddress cfg.settings.subnet;
      defaultText = lib.literalMD "the first usable address of `settings.subnet`";
      description = "Where the host's own services for containers listen.";
    };

    resolver = lib.mkOption {
      type = lib.types.enum [
        "resolved"
        "none"
      ];
      default = "resolved";
      example = "none";
      description = ''
        What answers containers on port 53 of the services address: `resolved` is systemd-resolved
        with one more listener. With `none` the operator's own resolver must listen there.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && network.enable) {
    assertions = [
      {
        assertion = !hasResolved || config.services.resolved.enable;
        message = ''
          services.berth.network.resolver is "resolved", and services.resolved.enable is false: remove
          that, or set services.berth.network.resolver to "none" and let your resolver listen on
          ${servicesAddress}.
        '';
      }
    ];

    boot.kernelModules = [ "dummy" ];

    systemd.services.berth-services-address = {
      description = "Services address of Berth's containers";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-pre.target" ];
      after = [
        "systemd-modules-load.service"
        # systemd makes the unit's /dev below /tmp, which must not be mounted or
        # cleared meanwhile.
        "systemd-tmpfiles-setup.service"
      ];
      conflicts = [ "shutdown.target" ];
      before = [
        "network-pre.target"
        "postgresql.service"
        "shutdown.target"
        "systemd-resolved.service"
      ];
      # The resolver is started before the basic system is up.
      unitConfig = {
        DefaultDependencies = false;
        RequiresMountsFor = "/tmp";
      };

      serviceConfig = setup // {
        ExecStart = setAddress;
        # An upgrade takes nothing away, so that connections to it go on. The
        # address of another subnet stays to the next boot.
        ExecReload = setAddress;
        ExecStop = "${ip} link delete ${servicesInterface}";

        # Opened: addresses of IPv4 too.
        RestrictAddressFamilies = "AF_UNIX AF_NETLINK AF_INET";
      };
      reloadIfChanged = true;
    };

    services.resolved.enable = lib.mkIf hasResolved (lib.mkDefault true);
    environment.etc."systemd/resolved.conf.d/berth.conf" = lib.mkIf hasResolved { source = stub; };
    # On its own it would read the file at its next start.
    systemd.services.systemd-resolved = lib.mkIf hasResolved { restartTriggers = [ stub ]; };

    boot.kernel.sysctl =
      let
        # Above what NixOS has as default, below what an operator says.
        raised = lib.mkOverride 900;
      in
      {
        # NixOS turns it off by default, and modules that want it, on.
        "net.ipv4.conf.all.forwarding" = lib.mkOverride 96 true;

        # A container counts against limits that were meant for one system: at
        # 20 the default of inotify instances is gone.
        "fs.inotify.max_user_instances" = raised 524288;
        "fs.inotify.max_user_watches" = raised 2097152;
        # 2^22, the most there is.
        "kernel.pid_max" = raised 4194304;
        # No limit; systemd sets it so where nobody says otherwise.
        "fs.file-max" = raised 9223372036854775807;
        # One neighbour for each container: 32,512 at most.
        "net.ipv4.neigh.default.gc_thresh1" = raised 8192;
        "net.ipv4.neigh.default.gc_thresh2" = raised 32768;
        "net.ipv4.neigh.default.gc_thresh3" = raised 65536;
      };

    # systemd-nspawn keeps a connection to the bus for each container, as root:
    # 256 for one user is the default. The service of dbus-daemon has 16384 file
    # descriptors, which all connections together must fit in.
    services.dbus.packages = [
      (pkgs.writeTextDir "share/dbus-1/system.d/berth.conf" ''
        <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
         "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <limit name="max_completed_connections">10000</limit>
          <limit name="max_connections_per_user">8192</limit>
        </busconfig>
      '')
    ];

    # The start of a container sets the addresses; whoever manages interfaces
    # by itself would add its own or take these away.
    networking.dhcpcd.denyInterfaces = [
      "ve-*"
      servicesInterface
    ];
    networking.networkmanager.unmanaged = [
      "interface-name:ve-*"
      "interface-name:${servicesInterface}"
    ];
    # systemd brings 80-container-ve.network, a DHCP server on each `ve-*`. The
    # first file in the order of names is what counts.
    systemd.network.networks."05-berth" = {
      matchConfig.Name = [
        berthInterfaces
        servicesInterface
      ];
      linkConfig.Unmanaged = true;
    };
  };
}
