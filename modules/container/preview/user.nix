# The user whom the services of a preview run as, and its git.
{ pkgs, ... }:
let
  # Berth's own number for it: /etc/preview.env belongs to it.
  id = 1000;
in
{
  users = {
    users.preview = {
      isNormalUser = true;
      uid = id;
      group = "preview";
      home = "/var/lib/preview";
      homeMode = "0700";
      shell = pkgs.bashInteractive;
      # No id beyond the 65536 of the container exists.
      autoSubUidGidRange = false;
    };
    groups.preview.gid = id;
  };

  programs.git = {
    enable = true;
    # The repository that Berth binds belongs to root inside, and git takes such a
    # one from another user only when a configuration file says so. Its path has
    # the number of the preview in it; nobody else has repositories here.
    config.safe.directory = "*";
  };
}
