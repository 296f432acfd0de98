# A container that learns its name at each start and keeps its journal.
{
  config,
  lib,
  options,
  ...
}:
let
  journal = "SystemMaxUse";
  journalMax = "200M";
  # Less than `deadlines.stop` of the host, which kills what is still there.
  stop = "20s";
in
{
  boot = {
    isContainer = true;
    enableContainers = lib.mkDefault false;
  }
  # NixOS 25.11 and older have one name for all kinds of containers.
  // lib.optionalAttrs (options.boot ? isNspawnContainer) { isNspawnContainer = true; };

  networking.hostName = lib.mkDefault "";

  # Read by systemd itself, before any unit. The guest is built once and started
  # under many names, so this wins over a `networking.hostName` of the repository.
  environment.etc.hostname.source = lib.mkForce "/etc/berth/hostname";

  # NixOS keeps the journal in /var/log/journal by default.
  services.journald =
    if options.services.journald ? settings then
      { settings.Journal.${journal} = lib.mkDefault journalMax; }
    else
      { extraConfig = "${journal}=${journalMax}"; };

  systemd =
    (
      if options.systemd ? settings then
        { settings.Manager.DefaultTimeoutStopSec = lib.mkDefault stop; }
      else
        { extraConfig = "DefaultTimeoutStopSec=${stop}"; }
    )
    // {
      # File systems that a user namespace may not mount.
      suppressedSystemUnits = [
        "dev-hugepages.mount"
        "sys-fs-fuse-connections.mount"
        "sys-kernel-config.mount"
        "sys-kernel-debug.mount"
        "sys-kernel-tracing.mount"
      ];

      # A boot that fails goes on as far as it can: there is no console to mend it at.
      enableEmergencyMode = lib.mkDefault false;

      # Judges the memory of the whole machine, which is the host's to do.
      oomd.enable = lib.mkDefault false;

      # Nobody sits at a console: people come by ssh, Berth through systemd.
      services.console-getty.enable = false;
      targets.getty.enable = lib.mkDefault false;
    };

  # A guest is made anew rather than upgraded, so there is no older state.
  system.stateVersion = lib.mkDefault config.system.nixos.release;
}
