# Values that are refused: what is set, and what the message says. Each case is
# forced by itself, since a wrong type ends the evaluation.
{ nixpkgs, disko }:
let
  inherit (import ./host.nix { inherit nixpkgs disko; })
    host
    placeholders
    failed
    ;

  ofHost = expected: values: {
    inherit expected;
    attempt =
      let
        config = host values;
      in
      builtins.deepSeq config.berth.host (failed config);
  };
  ofPlaceholders = expected: {
    inherit expected;
    attempt = failed placeholders;
  };
  disk = number: "/dev/disk/by-id/nvme-${toString number}";
in
rec {
  names = builtins.attrNames cases;

  cases = {
    # What the file that comes with the template says.
    placeholder-name = ofPlaceholders "`berth.host.name` is still the placeholder `replace-me`";
    placeholder-domain = ofPlaceholders "`berth.host.domain` is still the placeholder `example.com`";
    placeholder-mac = ofPlaceholders "`berth.host.network.mac` is still the placeholder `00:00:00:00:00:00`";
    placeholder-ipv4-address = ofPlaceholders "`berth.host.network.ipv4.address` is still the placeholder `192.0.2.10`";
    placeholder-ipv4-gateway = ofPlaceholders "`berth.host.network.ipv4.gateway` is still the placeholder `192.0.2.1`";
    placeholder-ipv6-address = ofPlaceholders "`berth.host.network.ipv6.address` is still the placeholder `2001:db8::10`";
    placeholder-disk = ofPlaceholders "`berth.host.disks` still has the placeholder `/dev/disk/by-id/REPLACE-ME-1`";
    placeholder-key = ofPlaceholders "`berth.host.sshKeys` has `ssh-ed25519 REPLACE-ME you@your-machine`, which is no public key";

    # What cannot work.
    no-address = ofHost "`berth.host.network` has neither `ipv4` nor `ipv6`" {
      network = {
        ipv4 = null;
        ipv6 = null;
      };
    };
    no-key = ofHost "`berth.host.sshKeys` is empty" { sshKeys = [ ]; };
    private-key = ofHost "which is no public key" {
      sshKeys = [ "-----BEGIN OPENSSH PRIVATE KEY-----" ];
    };
    no-disk = ofHost "`berth.host.disks` has 0 disks" { disks = [ ]; };
    three-disks = ofHost "`berth.host.disks` has 3 disks" {
      disks = map disk [
        1
        2
        3
      ];
    };
    same-disk-twice = ofHost "`berth.host.disks` names the same disk twice" {
      disks = [
        (disk 1)
        (disk 1)
      ];
    };
    bios-on-arm = ofHost "`berth.host.bootMode` is `bios`, which only x86_64 has" {
      bootMode = "bios";
      platform = "aarch64-linux";
    };

    # Types.
    disk-by-letter = ofHost "berth.host.disks.*is not of type" { disks = [ "/dev/sda" ]; };
    disk-with-a-path = ofHost "berth.host.disks.*is not of type" {
      disks = [ "/dev/disk/by-id/../../sda" ];
    };
    mac-in-capitals = ofHost "berth.host.network.mac.*is not of type .MAC address in lower case" {
      network.mac = "A8:A1:59:00:00:01";
    };
    address-with-prefix = ofHost "berth.host.network.ipv4.address.*is not of type .IPv4 address" {
      network.ipv4.address = "172.16.0.10/26";
    };
    octet-too-large = ofHost "berth.host.network.ipv4.gateway.*is not of type .IPv4 address" {
      network.ipv4.gateway = "172.16.0.256";
    };
    prefix-too-long = ofHost "berth.host.network.ipv4.prefixLength.*is not of type" {
      network.ipv4.prefixLength = 33;
    };
    name-with-domain = ofHost "berth.host.name.*is not of type .host name" {
      name = "harbour.berth.test";
    };
    domain-of-one-label = ofHost "berth.host.domain.*is not of type .domain name" { domain = "test"; };
    unknown-file-system = ofHost "berth.host.fileSystem.*is not of type" { fileSystem = "zfs"; };
    release-with-a-v = ofHost "berth.host.stateVersion.*is not of type" { stateVersion = "v26.05"; };
    unknown-value = ofHost "berth.host.disk.*does not exist" { disk = disk 1; };
  };
}
