# The smallest host: agents, and nothing but defaults.
{
  imports = [ ./hardware ];

  networking.hostName = "berth-minimal";

  services.berth.enable = true;
}
