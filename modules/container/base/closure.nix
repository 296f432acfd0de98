# A small system: it is one of hundreds on a host and nobody administers it.
{ lib, ... }:
{
  boot.bcache.enable = lib.mkDefault false;

  documentation = {
    enable = lib.mkDefault false;
    doc.enable = lib.mkDefault false;
    info.enable = lib.mkDefault false;
    man.enable = lib.mkDefault false;
    nixos.enable = lib.mkDefault false;
  };

  environment = {
    defaultPackages = lib.mkDefault [ ];
    stub-ld.enable = lib.mkDefault false;
  };

  fonts.fontconfig.enable = lib.mkDefault false;

  programs = {
    command-not-found.enable = lib.mkDefault false;
    nano.enable = lib.mkDefault false;
    # Its preprocessor brings Perl.
    less.lessopen = lib.mkDefault null;
  };

  services = {
    logrotate.enable = lib.mkDefault false;
    lvm.enable = lib.mkDefault false;
    udisks2.enable = lib.mkDefault false;
  };

  system = {
    # Another system comes with another `SYSTEM_PATH` and a restart.
    switch.enable = lib.mkDefault false;
    disableInstallerTools = lib.mkDefault true;
  };

  # The host takes the file system away after a stop.
  systemd.shutdownRamfs.enable = lib.mkDefault false;

  xdg = {
    autostart.enable = lib.mkDefault false;
    icons.enable = lib.mkDefault false;
    mime.enable = lib.mkDefault false;
    sounds.enable = lib.mkDefault false;
  };
}
