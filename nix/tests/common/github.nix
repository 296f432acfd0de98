# A GitHub on the host itself, from which previews come; see
# tests/github/README.md.
{ lib, pkgs, ... }:
let
  double = pkgs.callPackage ./github-double.nix { };
in
{
  services.berth.settings.preview.forge = "http://127.0.0.1:8428";

  systemd.services.github-double = {
    description = "GitHub that is not there";
    wantedBy = [ "multi-user.target" ];
    path = [ pkgs.git ];
    serviceConfig = {
      ExecStart = "${lib.getExe double} --listen 127.0.0.1:8428 --control 127.0.0.1:8429 --root /srv/github";
      # It ends as at Ctrl-C.
      KillSignal = "SIGINT";
    };
  };
  systemd.tmpfiles.settings."10-github"."/srv/github".d = { };
}
