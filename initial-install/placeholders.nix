# Refuses what `host.nix` has before anybody has filled it in, and what cannot
# work. Each message names the value and how to find the right one.
{ config, lib, ... }:
let
  cfg = config.berth.host;
  inherit (cfg) network;

  # RFC 5737 and RFC 3849: addresses of examples, which nobody has.
  isExample =
    address:
    lib.any (prefix: lib.hasPrefix prefix address) [
      "192.0.2."
      "198.51.100."
      "203.0.113."
      "2001:db8:"
    ];
  isReplaceMe = text: lib.hasInfix "replace-me" (lib.toLower text);
  isPublicKey =
    key:
    builtins.match "(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) [A-Za-z0-9+/]{40,}=*( [^ ].*)?" key
    != null;

  collect = "`collect` finds it, see docs/install.md";

  ofFamily =
    family: values:
    lib.optionals (values != null) (
      lib.mapAttrsToList
        (part: how: {
          assertion = !isExample values.${part};
          message = "`berth.host.network.${family}.${part}` is still the placeholder `${values.${part}}`: `${how}` in the rescue system shows it; ${collect}";
        })
        {
          address = "ip address";
          gateway = "ip route show default";
        }
    );

  ofDisk = disk: {
    assertion = !isReplaceMe disk;
    message = "`berth.host.disks` still has the placeholder `${disk}`: `ls -l /dev/disk/by-id` in the rescue system lists the disks; ${collect}";
  };

  ofKey = key: {
    assertion = isPublicKey key && !isReplaceMe key;
    message = "`berth.host.sshKeys` has `${key}`, which is no public key: take the line in `~/.ssh/id_ed25519.pub` on your machine (`ssh-keygen -t ed25519` makes one)";
  };
in
{
  config.assertions = [
    {
      assertion = !isReplaceMe cfg.name;
      message = "`berth.host.name` is still the placeholder `${cfg.name}`: choose a host name";
    }
    {
      assertion = !(cfg.domain == "example.com" || lib.hasSuffix ".example.com" cfg.domain);
      message = "`berth.host.domain` is still the placeholder `${cfg.domain}`: set a domain of yours, whose DNS will name this host";
    }
    {
      assertion = network.mac != "00:00:00:00:00:00";
      message = "`berth.host.network.mac` is still the placeholder `${network.mac}`: `ip link` in the rescue system shows it behind `link/ether`; ${collect}";
    }
    {
      assertion = network.ipv4 != null || network.ipv6 != null;
      message = "`berth.host.network` has neither `ipv4` nor `ipv6`: nobody could reach the host; `ip address` in the rescue system shows what it has";
    }
    {
      assertion = lib.elem (lib.length cfg.disks) [
        1
        2
      ];
      message = "`berth.host.disks` has ${toString (lib.length cfg.disks)} disks: name one, or two for RAID 1; for anything else write `disko.devices` yourself instead of importing `initial-install/disks.nix`";
    }
    {
      assertion = lib.allUnique cfg.disks;
      message = "`berth.host.disks` names the same disk twice: RAID 1 needs two; name one for a system without RAID";
    }
    {
      assertion = cfg.bootMode == "bios" -> cfg.platform == "x86_64-linux";
      message = "`berth.host.bootMode` is `bios`, which only x86_64 has: set it to `uefi`";
    }
    {
      assertion = cfg.sshKeys != [ ];
      message = "`berth.host.sshKeys` is empty: nobody could log in after the installation; add the line in `~/.ssh/id_ed25519.pub` on your machine";
    }
  ]
  ++ map ofDisk cfg.disks
  ++ map ofKey cfg.sshKeys
  ++ ofFamily "ipv4" network.ipv4
  ++ ofFamily "ipv6" network.ipv6;
}
